"""A pull request in the rehearsal: what its base declares is applied, its head previewed on top.

No account, no token, no Docker: the base's own code makes a home in a folder of its own and applies both
stacks there; then the home is handed to this clone, and each stack file gets what the pull request changes in
the committed one. Values that only live accounts know are the demo account's.
"""

import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

import yaml

from plan.settings import PLACEHOLDER, PROJECT
from plan.variables import secret_keys
from rehearsal import home, stack_files
from rehearsal.home import Home, HomeError

# A preview needs the name of an image only. It is set after the base was applied: that would need Docker.
_SOCKET: Final = {"socketRelease": "5" * 40, "socketDigest": f"sha256:{'5' * 64}"}
_LEFT_ALONE: Final = {"rotation", "adopt", "adoptedOn", *_SOCKET}


def prepare(base: Path, folder: Path, stacks: tuple[str, ...]) -> tuple[Home, dict[str, str]]:
    """A home in which the base is applied and this clone can be previewed; the base's own previews, by stack.

    `base` is a checkout of the base with its .venv, `folder` a folder for the home that does not exist yet.
    Raises HomeError with what the failing command said.
    """
    pulumi = ("--non-interactive", "--stack")
    for stack in home.STACKS:
        adopt = ("python", "-m", "operations", "adopt", "--yes", "--stack", stack)
        _in_base(base, folder, *adopt)
        _in_base(base, folder, "pulumi", "up", "--yes", "--skip-preview", *pulumi, stack)
        _in_base(base, folder, *adopt)  # takes the import ids out again
    before = {}
    for stack in stacks:
        for key, value in _SOCKET.items():
            _in_base(base, folder, "pulumi", "config", "set", key, value, *pulumi, stack)
        before[stack] = _in_base(base, folder, "pulumi", "preview", "--json", *pulumi, stack)
    here = home.ensure(folder)
    for stack in stacks:
        restate(here, base, stack)
    return here, before


def restate(here: Home, base: Path, stack: str) -> None:
    """Make the same change to the home's stack file that this clone makes to the base's committed one."""
    old, new = _committed(base, stack), _committed(home.CLONE, stack)
    for key in sorted({*old, *new} - _LEFT_ALONE):
        before, after = old.get(key), new.get(key)
        if before == after or PLACEHOLDER in str(after):
            continue
        if _encrypted(after):
            _set_secret(here, stack, key)
        elif isinstance(after, dict):
            _merge(here, stack, key, before if isinstance(before, dict) else {}, after)
        else:
            here.edit(stack, **{key: after})
    _complete(here, stack)


def _complete(here: Home, stack: str) -> None:
    """Add what this clone's rehearsal states and the base's did not: new keys, new secrets of the matrix."""
    stated = _stated(here, stack)
    wanted = stack_files.render(stack, date.today(), "k" * 32)
    for key, value in wanted.config.items():
        if key not in stated and key not in _LEFT_ALONE:
            here.edit(stack, **{key: value})
    for key in wanted.secrets:
        if key not in stated and key in secret_keys():
            _set_secret(here, stack, key)


def _merge(here: Home, stack: str, key: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """`adopt` has added to a map of the home what the demo account holds; that stays."""
    kept = {
        name: value for name, value in (_stated(here, stack).get(key) or {}).items() if name not in before
    }
    here.edit(stack, **{key: {**kept, **after}})


def _set_secret(here: Home, stack: str, key: str) -> None:
    """A made-up value with its record: a preview shows that it changes, never what it is."""
    command = [sys.executable, "-m", "operations", "set", key, "--stack", stack]
    _run(command, env=here.env(), stdin=stack_files.made_up(stack, key))


def _encrypted(value: Any) -> bool:
    return isinstance(value, dict) and "secure" in value


def _committed(root: Path, stack: str) -> dict[str, Any]:
    return _config(root / f"Pulumi.{stack}.yaml")


def _stated(here: Home, stack: str) -> dict[str, Any]:
    return _config(here.stack_file(stack))


def _config(file: Path) -> dict[str, Any]:
    config = yaml.safe_load(file.read_text()).get("config") or {}
    return {str(key).removeprefix(f"{PROJECT}:"): value for key, value in config.items()}


def _in_base(base: Path, folder: Path, *command: str) -> str:
    """Run a command of the base's own rehearsal, made ready by the base's own code."""
    python = shlex.quote(str(base / ".venv" / "bin" / "python"))
    script = f'eval "$({python} -m rehearsal --home {shlex.quote(str(folder))} env)" && {shlex.join(command)}'
    return _run(("sh", "-c", script), cwd=base)


def _run(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path = home.CLONE,
    stdin: str = "",
) -> str:
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, env=env, cwd=cwd, check=False)
    if done.returncode:
        said = "\n".join(part.strip() for part in (done.stdout, done.stderr) if part.strip())
        raise HomeError(f"{shlex.join(command)} failed:\n{said}")
    return done.stdout
