"""One stack's files and the engine's answers about it: where they are, how they are read and replaced.

Owns every call of the `pulumi` command line in `operations`. A value that may be secret goes through
standard input and comes back through standard output, never through arguments.
"""

import fcntl
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil
from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from plan import stack_yaml
from plan.config import Loaded, as_engine_text, parse, read_siblings, typed
from plan.settings import PROJECT

TO_DECRYPT: Final = "set PULUMI_CONFIG_PASSPHRASE_FILE, or log in to the key service of the stack file"
_DRAFT: Final = ".Pulumi."  # then the process id of whoever writes it
_SHOWN: Final[dict[tuple[Path, bytes, frozenset[tuple[str, str]]], dict[str, Any]]] = {}


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
            raise OperationError(f"pulumi {' '.join(args)} failed:\n{_last_words(done)}")
        return done.stdout

    def load(self) -> Loaded:
        """The stack's settings, secrets decrypted, as the program itself would parse them."""
        shown = self._shown()
        prefix = f"{PROJECT}:"
        entries = {k.removeprefix(prefix): v for k, v in shown.items() if k.startswith(prefix)}
        return parse(
            self.stack,
            {key: entry.get("value", "") for key, entry in entries.items()},
            {key for key, entry in entries.items() if entry.get("secret")},
            read_siblings(self.folder, self.stack),
        )

    def _shown(self) -> dict[str, Any]:
        """What the engine shows of the stack file, asked once a text: the key of a passphrase alone takes it
        a fifth of a second."""
        text = self.stack_file.read_bytes() if self.stack_file.exists() else b""
        asked = (self.stack_file, text, frozenset(self.env.items()))
        if asked not in _SHOWN:
            _SHOWN[asked] = json.loads(
                self.pulumi("config", "--stack", self.stack, "--show-secrets", "--json")
            )
        return _SHOWN[asked]

    def stated(self) -> dict[str, Any]:
        """The plain keys of the stack file, defaults included; needs neither engine nor passphrase."""
        for file in read_siblings(self.folder, ""):
            if file.stack == self.stack:
                if file.fault:
                    raise OperationError(f"{file.fault.key}: {file.fault.text}: {file.fault.fix}")
                return file.stated
        raise OperationError(f"{self.stack_file.name} does not exist: mind the spelling of the stack's name")

    def in_the_clear(self) -> Loaded:
        """The stack's settings without its secrets; needs neither engine nor passphrase."""
        return parse(self.stack, self.stated(), ())

    def resources(self) -> dict[str, str]:
        """Logical name -> type of everything in the stack's state; empty before the first `up`."""
        return {name: resource["type"] for name, resource in self.state().items()}

    def state(self) -> dict[str, dict[str, Any]]:
        """Logical name -> resource as the state has it, secrets encrypted; empty before the first `up`."""
        found = (self.export().get("deployment") or {}).get("resources") or []
        return {r["urn"].split("::")[-1]: r for r in found if not r.get("delete")}

    def export(self) -> dict[str, Any]:
        """The stack's state as it is stored. Works while another run holds the lock."""
        found: dict[str, Any] = json.loads(self.pulumi("stack", "export", "--stack", self.stack))
        return found

    @contextmanager
    def noted(self, properties: Mapping[str, Mapping[str, str]]) -> Iterator[None]:
        """Have the state say other texts (URN -> path of a property, `a.b` -> text) while the block runs.

        A plugin takes a text for a text well; whatever else is edited into a state makes it panic from then
        on (ADR 0055). A copy of the state lies beside the stack file meanwhile. Where the block
        fails, what it has not written is put back; where that fails too, the error names the copy.
        """
        if not properties:
            yield
            return
        state = self.export()
        before = {r["urn"]: r for r in state["deployment"]["resources"]}
        copy = self.folder / f"{_DRAFT}{self.stack}.state.json"
        copy.touch(mode=0o600)
        copy.write_text(json.dumps(state))
        try:
            self._edit(lambda *_: True, properties)
            yield
        except BaseException as error:
            try:
                old = {
                    urn: {path: _holder(before[urn]["inputs"], path)[_last(path)] for path in texts}
                    for urn, texts in properties.items()
                }
                self._edit(lambda urn, path, now: now == properties[urn][path], old)
            except OperationError as second:
                raise OperationError(
                    f"{error}\nThe state could not be put back: {second}\nPut it back first: "
                    f"pulumi stack import --file {copy} --stack {self.stack}"
                ) from None
            copy.unlink()
            raise
        copy.unlink()

    def _edit(self, chosen: Callable[[str, str, Any], bool], values: Mapping[str, Mapping[str, Any]]) -> None:
        """Write values (URN -> path -> value) over those of the state that are `chosen`."""
        state = self.export()
        for resource in state["deployment"]["resources"]:
            for path, value in values.get(resource["urn"], {}).items():
                for side in ("inputs", "outputs"):
                    holder = _holder(resource[side], path)
                    if chosen(resource["urn"], path, holder[_last(path)]):
                        holder[_last(path)] = value
        self.pulumi("stack", "import", "--stack", self.stack, stdin=json.dumps(state))

    def preview(self, *options: str) -> dict[str, Any]:
        """The engine's plan: `steps` with `op`, `urn`, `detailedDiff`. Raises OperationError."""
        plan: dict[str, Any] = json.loads(self.pulumi("preview", "--json", "--stack", self.stack, *options))
        return plan

    def rewrite(
        self, change: Callable[[dict[str, Any]], None], secrets: Mapping[str, str] | None = None
    ) -> None:
        """Replace the stack file in one step: `secrets` encrypted by the engine, `change` made to the rest.

        `change` gets the map under `config:`, keys with the project's prefix; comments survive. On any
        error the old file stays as it was.
        """
        with self.draft(change, secrets) as draft:
            draft.land()

    @contextmanager
    def draft(
        self, change: Callable[[dict[str, Any]], None], secrets: Mapping[str, str] | None = None
    ) -> Iterator["Draft"]:
        """An edited copy of the stack file beside it, for a preview; gone after the `with` block."""
        if not self.stack_file.exists():
            raise OperationError(
                f"{self.stack_file.name} does not exist: pulumi stack init {self.stack}, or mind the spelling"
            )
        sweep(self.folder)
        descriptor, name = tempfile.mkstemp(prefix=f"{_DRAFT}{os.getpid()}.", suffix=".yaml", dir=self.folder)
        os.close(descriptor)
        path = Path(name)
        try:
            base = self.stack_file.read_text()
            yaml, content = _parsed(base, self.stack_file)
            path.write_text(base)
            shutil.copymode(self.stack_file, path)
            for key, value in (secrets or {}).items():
                self.pulumi(
                    "config", "set", "--secret", f"{PROJECT}:{key}", "--stack", self.stack,
                    "--config-file", str(path), "--raw", stdin=value,
                )  # fmt: skip
            _take(content, _parsed(path.read_text(), path)[1], [f"{PROJECT}:{key}" for key in secrets or ()])
            before = dict(content["config"])
            change(content["config"])
            _keep_form(content["config"], before)
            _write(path, yaml, content)
            yield Draft(self, path, base)
        finally:
            path.unlink(missing_ok=True)

    def restore(self, text: str, *, instead_of: str) -> bool:
        """Put an earlier text of the stack file back, unless somebody has changed it since."""
        with self.exclusive():
            if self.stack_file.read_text() != instead_of:
                return False
            draft = self.folder / f"{_DRAFT}{os.getpid()}.yaml"
            draft.write_text(text)
            shutil.copymode(self.stack_file, draft)
            draft.replace(self.stack_file)
        return True

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the folder's write lock, which ends with the process: two verbs replace a file in turn."""
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


@dataclass(frozen=True)
class Draft:
    """An edited copy (`path`) of the stack file as it was (`base`)."""

    workspace: Workspace
    path: Path
    base: str

    @property
    def changes(self) -> bool:
        return bool(_edited(self._read(self.base), self._read(self.path.read_text())))

    def land(self) -> None:
        """Put it in the stack file's place. Other keys that somebody changed meanwhile keep their new value.

        Raises OperationError where somebody else changed the same keys: the decision rests on old values.
        """
        file = self.workspace.stack_file
        with self.workspace.exclusive():
            now = file.read_text()
            if now != self.base:
                self._merge(now)
            self.path.replace(file)

    def _read(self, text: str) -> Any:
        return _parsed(text, self.workspace.stack_file)[1]

    def _merge(self, now: str) -> None:
        old, mine = self._read(self.base), self._read(self.path.read_text())
        yaml, theirs = _parsed(now, self.workspace.stack_file)
        edited, meanwhile = _edited(old, mine), _edited(old, theirs)
        clash = sorted(edited & meanwhile)
        if any(_is_secret(mine["config"].get(key)) for key in edited):  # encrypted with the key of before
            clash += [key for key in _ENCRYPTION if old.get(key) != theirs.get(key)]
        if clash:
            names = ", ".join(key.removeprefix(f"{PROJECT}:") for key in clash)
            raise OperationError(
                f"{self.workspace.stack_file.name} was changed by somebody else meanwhile ({names}); "
                "nothing was written: look at it and run the command again"
            )
        _take(theirs, mine, edited)
        _write(self.path, yaml, theirs)


def submap(config: dict[str, Any], key: str) -> dict[str, Any]:
    """The map below a key of the project, for a `change` to write into; made where none stands."""
    name = f"{PROJECT}:{key}"
    if not isinstance(config.get(name), dict):
        config[name] = {}
    found: dict[str, Any] = config[name]
    return found


def _holder(properties: dict[str, Any], path: str) -> dict[str, Any]:
    """What holds the property at a path without indices."""
    for part in path.split(".")[:-1]:
        properties = properties[part]
    return properties


def _last(path: str) -> str:
    return path.rpartition(".")[2]


def sweep(folder: Path) -> None:
    """Remove drafts of processes that are gone: a killed one leaves its own behind."""
    for path in folder.glob(f"{_DRAFT}*.yaml"):
        pid = path.name.removeprefix(_DRAFT).split(".")[0]
        with suppress(FileNotFoundError, ValueError):  # swept by another, or not of this shape
            if not runs(int(pid), path.stat().st_mtime):
                path.unlink()


def runs(pid: int, since: float) -> bool:
    """Whether the process that had this number at `since` (seconds of Unix time) still runs.

    A killed one that nobody has waited for is gone, and so is one whose number another has by now.
    """
    try:
        process = psutil.Process(pid)
        began, ended = process.create_time(), process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
    return not ended and began <= since + 1


def _parsed(text: str, file: Path) -> tuple[YAML, Any]:
    """A stack file's text for a round trip, `config` always there. Raises OperationError with the line."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    try:
        return yaml, stack_yaml.parse(text, file.name, yaml)
    except stack_yaml.UnreadableError as error:
        raise OperationError(f"{file.name}: {error.fault.text}: {error.fault.fix}") from None


# Beside `config`: how its secrets are encrypted; the engine writes it together with the first one.
_ENCRYPTION: Final = ("encryptionsalt", "encryptedkey", "secretsprovider")


def _edited(old: Any, new: Any) -> set[str]:
    """The keys whose value differs, in whatever form it is written."""
    before, after = old["config"], new["config"]
    return {key for key in {*before, *after} if not _same(key, before.get(key), after.get(key))}


def _same(key: str, one: Any, other: Any) -> bool:
    if one is None or other is None:
        return one is other
    name = key.removeprefix(f"{PROJECT}:")
    return bool(typed(name, one, bare=False) == typed(name, other, bare=False))


def _take(content: Any, other: Any, keys: Iterable[str]) -> None:
    """Take keys, and how secrets are encrypted, from another version of the file; the rest stays as it is."""
    for key in keys:
        if key in other["config"]:
            content["config"][key] = other["config"][key]
        else:
            content["config"].pop(key, None)
    for key in _ENCRYPTION:
        if key in other and key not in content:
            content[key] = other[key]


def _is_secret(value: Any) -> bool:
    return isinstance(value, dict) and "secure" in value


def _keep_form(config: Any, before: Mapping[str, Any]) -> None:
    """Write scalars in the engine's form, which else rewrites them when it sets any other key."""
    for key, value in config.items():
        if isinstance(value, (dict, list)):
            continue
        if key in before and _same(key, before[key], value):
            config[key] = before[key]
        elif not isinstance(value, str) and isinstance(text := as_engine_text(value), str):
            config[key] = DoubleQuotedScalarString(text)


def _write(path: Path, yaml: YAML, content: Any) -> None:
    with path.open("w") as file:
        yaml.dump(content, file)
        file.flush()
        os.fsync(file.fileno())


def _last_words(done: subprocess.CompletedProcess[str]) -> str:
    """What a failed command said: with `--json` its errors stand among the diagnostics of standard output."""
    try:
        told = json.loads(done.stdout)["diagnostics"]
    except (ValueError, KeyError, TypeError):
        return done.stderr.strip()
    # An error of the program itself comes line by line as its standard error.
    errors = [each["message"].rstrip() for each in told if each.get("severity") in ("error", "info#err")]
    return "\n".join([*filter(None, errors), done.stderr.strip()]).strip()
