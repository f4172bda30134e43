"""Runs a throwaway Pulumi program against the stand-ins with the real engine, in a home of its own.

The program is a function of this process (Automation API), so no language host is needed. For tests of
the stand-ins alone: what the whole program does is tested in a rehearsal home.
"""

import json
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pulumi import automation as auto

from rehearsal import engine as engines
from rehearsal.standin import schema
from rehearsal.standin.account import Account

ROOT = Path(__file__).parents[2]
TOKENS = {"VERCEL_API_TOKEN": "x" * 24, "GITHUB_TOKEN": "token", "GITHUB_OWNER": "acme"}


@dataclass
class Run:
    """What one command of the engine did."""

    steps: dict[str, list[str]] = field(default_factory=dict)  # logical name -> what is done, if anything
    changed: dict[str, list[str]] = field(default_factory=dict)  # logical name -> property paths
    output: str = ""
    error: str = ""

    def note(self, event: Any) -> None:
        step = event.resource_pre_event
        if step is None or step.metadata.type.startswith("pulumi:"):
            return
        name = step.metadata.urn.rpartition("::")[2]
        operation = str(getattr(step.metadata.op, "value", step.metadata.op))
        if operation not in ("same", "read", "refresh"):
            self.steps.setdefault(name, []).append(operation)
        if changed := step.metadata.detailed_diff or step.metadata.diffs:  # Vercel's plugin gives no paths
            self.changed[name] = sorted(changed)


class Rehearsal:
    """One stack over two stand-in accounts in one file."""

    def __init__(self, folder: Path, pulumi: Path | None = None) -> None:
        self.folder = folder
        self.program: Callable[[], None] = lambda: None
        self.github = Account(folder / "account.db", "github")
        self.vercel = Account(folder / "account.db", "vercel")
        home, state = folder / "home", folder / "state"
        state.mkdir()
        for service, sdk in schema.SDKS.items():
            _plugin(home, service, schema.load(sdk).version, folder / "account.db")
        (folder / "bin").mkdir()
        (folder / "bin" / "pulumi").symlink_to(pulumi or engines.ensure().pulumi)
        (folder / "work").mkdir()
        self._stack = auto.create_or_select_stack(
            "test",
            project_name="throwaway",
            program=self._program,
            opts=auto.LocalWorkspaceOptions(
                work_dir=str(folder / "work"),
                pulumi_home=str(home),
                pulumi_command=auto.PulumiCommand(root=str(folder), skip_version_check=True),
                env_vars={
                    "PULUMI_BACKEND_URL": state.as_uri(),
                    "PULUMI_CONFIG_PASSPHRASE": "passphrase",
                    "PULUMI_SKIP_UPDATE_CHECK": "true",
                    **TOKENS,
                },
                project_settings=auto.ProjectSettings(
                    name="throwaway", runtime="python", backend=auto.ProjectBackend(state.as_uri())
                ),
            ),
        )

    def _program(self) -> None:
        self.program()

    def close(self) -> None:
        self.github.close()
        self.vercel.close()

    def preview(self, program: Callable[[], None], *, refresh: bool = False) -> Run:
        return self._run(program, partial(self._stack.preview, refresh=refresh))

    def up(self, program: Callable[[], None], *, refresh: bool = False) -> Run:
        return self._run(program, partial(self._stack.up, refresh=refresh))

    def refresh(self) -> Run:
        return self._run(self.program, self._stack.refresh)

    def destroy(self) -> Run:
        return self._run(self.program, self._stack.destroy)

    def _run(self, program: Callable[[], None], command: Callable[..., Any]) -> Run:
        self.program, run = program, Run()
        try:
            run.output = command(on_event=run.note).stdout
        except auto.CommandError as error:
            run.error = str(error)
        return run

    def state(self) -> dict[str, Any]:
        """The stack as it is on disk."""
        file = self.folder / "state" / ".pulumi" / "stacks" / "throwaway" / "test.json"
        checkpoint: dict[str, Any] = json.loads(file.read_text())["checkpoint"]["latest"]
        return checkpoint

    def resource(self, name: str) -> dict[str, Any]:
        """One resource of the state, by logical name."""
        return next(r for r in self.state()["resources"] if r["urn"].endswith(f"::{name}"))

    def files(self) -> str:
        """Everything that was written beside the account, as one text."""
        tops = (self.folder / top for top in ("state", "work", "home"))
        files = (file for top in tops for file in top.rglob("*") if file.is_file())
        return "\n".join(file.read_text(errors="replace") for file in files)


def _plugin(home: Path, service: str, version: str, account: Path) -> None:
    folder = home / "plugins" / f"resource-{service}-v{version}"
    folder.mkdir(parents=True)
    file = folder / f"pulumi-resource-{service}"
    command = f"{sys.executable} -m rehearsal.standin {service} --account {account}"
    file.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {command} "$@"\n')
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
