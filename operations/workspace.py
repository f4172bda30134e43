"""One stack's files and the engine's answers about it: where they are, how they are read and replaced.

Owns every call of the `pulumi` command line in `operations`. A value that may be secret goes through
standard input and comes back through standard output, never through arguments.
"""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from plan.settings import PROJECT, Loaded, parse, read_siblings


class OperationError(Exception):
    """A verb cannot go on; the message says why and which command mends it."""


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """A stack in a project folder (the folder of Pulumi.yaml and the stack files)."""

    folder: Path
    stack: str
    env: Mapping[str, str]

    @property
    def stack_file(self) -> Path:
        return self.folder / f"Pulumi.{self.stack}.yaml"

    def pulumi(self, *args: str, stdin: str = "") -> str:
        """Standard output of a pulumi command in this folder. Raises OperationError with its last words."""
        command = ["pulumi", "-C", str(self.folder), *args, "--non-interactive"]
        env = {k: v for k, v in self.env.items() if k != "PULUMI_OPTION_CWD"}
        try:
            done = subprocess.run(command, input=stdin, capture_output=True, text=True, env=env, check=False)
        except FileNotFoundError:
            raise OperationError("pulumi is not on PATH: https://www.pulumi.com/docs/install/") from None
        if done.returncode:
            raise OperationError(f"pulumi {' '.join(args)} failed:\n{done.stderr.strip()}")
        return done.stdout

    def load(self) -> Loaded:
        """The stack's settings, secrets decrypted, as the program itself would parse them."""
        shown = json.loads(self.pulumi("config", "--stack", self.stack, "--show-secrets", "--json"))
        prefix = f"{PROJECT}:"
        entries = {k.removeprefix(prefix): v for k, v in shown.items() if k.startswith(prefix)}
        return parse(
            self.stack,
            {key: entry.get("value", "") for key, entry in entries.items()},
            {key for key, entry in entries.items() if entry.get("secret")},
            read_siblings(self.folder, self.stack),
        )

    def resources(self) -> dict[str, str]:
        """Logical name -> type of everything in the stack's state; empty before the first `up`."""
        state = json.loads(self.pulumi("stack", "export", "--stack", self.stack))
        found = (state.get("deployment") or {}).get("resources") or []
        return {r["urn"].split("::")[-1]: r["type"] for r in found if not r.get("delete")}

    def rewrite(
        self, change: Callable[[dict[str, Any]], None], secrets: Mapping[str, str] | None = None
    ) -> None:
        """Replace the stack file in one step: `secrets` encrypted by the engine, `change` made to the rest.

        `change` gets the map under `config:`, keys with the project's prefix; comments survive. On any
        error the old file stays as it was.
        """
        if not self.stack_file.exists():
            raise OperationError(
                f"{self.stack_file.name} does not exist: pulumi stack init {self.stack}, or mind the spelling"
            )
        descriptor, name = tempfile.mkstemp(prefix=".Pulumi.", suffix=".yaml", dir=self.folder)
        os.close(descriptor)
        draft = Path(name)
        try:
            shutil.copyfile(self.stack_file, draft)
            shutil.copymode(self.stack_file, draft)
            for key, value in (secrets or {}).items():
                self.pulumi(
                    "config", "set", "--secret", f"{PROJECT}:{key}", "--stack", self.stack,
                    "--config-file", str(draft), "--raw", stdin=value,
                )  # fmt: skip
            yaml = YAML()
            yaml.preserve_quotes = True
            yaml.width = 4096
            yaml.indent(mapping=2, sequence=4, offset=2)
            content = yaml.load(draft.read_text())
            change(content["config"])
            with draft.open("w") as file:
                yaml.dump(content, file)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self.stack_file)
        finally:
            draft.unlink(missing_ok=True)
