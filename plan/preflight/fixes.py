"""Commands that mend a key of this stack's file."""

from plan.problems import config_rm, config_set
from plan.settings import Settings
from plan.variables import secret_keys


def to_set(settings: Settings, key: str, value: str = "VALUE") -> str:
    """The command that sets a key; a path such as `reviewers[0].user` is set as one."""
    if key in secret_keys() or key == "fingerprintKey":
        return f"python -m operations set {key} --stack {settings.stack}"
    return config_set(settings.stack, key, value)


def to_remove(settings: Settings, key: str) -> str:
    """The command that removes a key, or a part of one."""
    return config_rm(settings.stack, key)


def to_set_from_file(settings: Settings, key: str, file: str = "FILE.pem") -> str:
    """Through standard input: PEM as an argument begins with dashes, and is taken for an option."""
    return f"{to_set(settings, key).replace(' VALUE', '')} < {file}"
