"""Stack files for the tests: the rehearsal's, with the defaults of Pulumi.yaml, as plain Python values.

A test takes one, changes what it is about and loads it the way the engine hands it over. Nothing here
checks anything.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import yaml

from plan import preflight
from plan.config import Loaded, parse
from plan.fingerprints import fingerprint
from plan.settings import FIELDS, PROJECT, Settings, Sibling
from rehearsal import demo, stack_files

ROOT: Final = Path(__file__).resolve().parent.parent
TODAY: Final = date(2026, 3, 2)
FINGERPRINT_KEY: Final = "the-fingerprint-key-of-the-tests-0123456789"
DECLARED: Final[dict[str, dict[str, Any]]] = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
DEFAULTS: Final[dict[str, Any]] = {key: spec["default"] for key, spec in DECLARED.items()}


@dataclass
class StackFile:
    """One stack file: `config` without the project's prefix, `secrets` in the clear."""

    stack: str
    config: dict[str, Any]
    secrets: dict[str, str]

    def set_secret(self, key: str, value: str, on: date = TODAY) -> None:
        """A secret with its record, as `operations set` writes it."""
        self.secrets[key] = value
        self.config["rotation"][key] = {"date": on.isoformat(), "hmac": fingerprint(FINGERPRINT_KEY, value)}

    def drop_secret(self, key: str) -> None:
        del self.secrets[key]
        self.config["rotation"].pop(key, None)

    def raw(self) -> dict[str, str]:
        """As the engine hands it to the program: text, objects as JSON, defaults filled in."""
        return {key: as_text(value) for key, value in {**DEFAULTS, **self.config, **self.secrets}.items()}

    def sibling(self) -> Sibling:
        """What another stack sees of this file."""
        plain = {**DEFAULTS, **self.config}
        read = parse(self.stack, {key: as_text(value) for key, value in plain.items()}, ()).settings
        typed = {key: getattr(read, FIELDS[key]) for key in plain if key in FIELDS}
        hmacs = {key: record["hmac"] for key, record in self.config["rotation"].items()}
        return Sibling(stack=self.stack, stated={**plain, **typed}, hmacs=hmacs)

    def loaded(self, *siblings: "StackFile") -> Loaded:
        return parse(self.stack, self.raw(), self.secrets, [s.sibling() for s in siblings])

    def settings(self) -> Settings:
        return self.loaded().settings

    def check(self, *siblings: "StackFile", today: date = TODAY) -> preflight.Report:
        return preflight.check(self.loaded(*siblings), today)

    def write(self, folder: Path) -> Path:
        """The file on disk, secrets as the engine stores them."""
        secure = {key: {"secure": f"v1:{len(value)}"} for key, value in self.secrets.items()}
        config = {f"{PROJECT}:{key}": value for key, value in {**self.config, **secure}.items()}
        path = folder / f"Pulumi.{self.stack}.yaml"
        path.write_text(yaml.safe_dump({"encryptionsalt": "v1:salt", "config": config}))
        return path


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def stack_file(stack: str, /, **changes: Any) -> StackFile:
    """The rehearsal's stack file after adoption: sound, and nothing to warn of."""
    values = stack_files.render(stack, TODAY, FINGERPRINT_KEY)
    adopted = (TODAY - timedelta(days=1)).isoformat()
    return StackFile(stack, {**values.config, "adoptedOn": adopted, **changes}, dict(values.secrets))


def staging(**changes: Any) -> StackFile:
    return stack_file("staging", **changes)


def production(**changes: Any) -> StackFile:
    return stack_file("production", **changes)


def committed(stack: str) -> StackFile:
    """The committed stack file as it is, before anybody filled it in."""
    content: Mapping[str, Any] = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"]
    config = {key.removeprefix(f"{PROJECT}:"): value for key, value in content.items()}
    return StackFile(stack, {"rotation": {}, **config}, {})


def monitored(file: StackFile, **changes: Any) -> StackFile:
    """The same stack with a socket server and a monitor, both without fault."""
    file.config.update(
        socketRelease=demo.RELEASES[0],
        socketDigest="sha256:" + "1" * 64,
        socketTls="acme",
        monitorHost="ssh://ops@monitor.example",
        monitorDomain=f"monitor-{file.stack}.share-paint.app",
        monitorHttpPort=80 if file.stack == "production" else 81,
        monitorHttpsPort=443 if file.stack == "production" else 444,
        **changes,
    )
    file.set_secret("MONITOR_PASSWORD", f"password-of-{file.stack}-0123456789")
    file.set_secret("WATCHDOG_URL", f"https://watchdog.example/{file.stack}")
    return file
