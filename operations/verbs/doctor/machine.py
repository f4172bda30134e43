"""What the machine lacks: Pulumi, packages, tokens; variables that would win over the stack file."""

import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from operations.stack.workspace import OperationError, Workspace
from operations.verbs.doctor.checks import Check, minor
from plan.hosts import OVERRIDING

REQUIREMENTS: Final = Path(__file__).resolve().parents[3] / "requirements.txt"


def machine(workspace: Workspace, requirements: Path = REQUIREMENTS) -> Iterator[Check]:
    """Pulumi, packages, variables of the environment, tokens."""
    yield _pulumi(workspace)
    yield _packages(requirements)
    set_ = [name for name in OVERRIDING if workspace.env.get(name)]
    yield Check(
        what="no variable wins over the Docker hosts of the stack file",
        fault=f"{', '.join(set_)} would be taken in their place" if set_ else "",
        fix=f"unset {' '.join(set_)}",
    )
    for name, where in (
        ("VERCEL_API_TOKEN", "vercel.com/account/tokens, scope: the team"),
        ("GITHUB_TOKEN", "github.com/settings/personal-access-tokens, both repositories"),
    ):
        missing = "" if workspace.env.get(name) else "is not set"
        yield Check(what=f"{name} is set", fault=missing, fix=f"make one at {where}; export {name}=…")


def _pulumi(workspace: Workspace) -> Check:
    what, wanted = "pulumi is on PATH, as new as its SDK", version("pulumi")
    fix = f"install Pulumi {wanted} or newer: https://www.pulumi.com/docs/install/"
    try:
        found = workspace.pulumi("version").strip().removeprefix("v")
    except OperationError as error:
        return Check(what=what, fault=str(error).splitlines()[0], fix=fix)
    old = minor(found) < minor(wanted)
    return Check(what=what, fault=f"it is {found}, the SDK is {wanted}" if old else "", fix=fix)


def _packages(requirements: Path) -> Check:
    pins = re.findall(r"^([A-Za-z0-9_.-]+)==([^\s;\\]+)\s*\\?$", requirements.read_text(), re.MULTILINE)
    wrong = []
    for name, wanted in pins:
        try:
            found = version(name)
        except PackageNotFoundError:
            found = "missing"
        if found != wanted:
            wrong.append(f"{name} {found} (pinned {wanted})")
    return Check(
        what=f"{len(pins)} Python packages are installed as pinned",
        fault=", ".join(wrong[:3]) + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""),
        fix="make install && . .venv/bin/activate",
    )
