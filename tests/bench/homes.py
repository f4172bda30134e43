"""The homes that are compared: a rehearsal with both stacks applied, and copies of it with other programs."""

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from rehearsal import engine, files
from rehearsal import home as homes
from rehearsal.home import CLONE, Home
from tests.bench import programs

STACK: Final = "production"
_HOST: Final = "pulumi-language-python"
_SIGNATURE: Final = "4dabf18193072939515e22adb298388d"  # of a wrapped value in a state


def applied(folder: Path) -> Home:
    """A home with both stacks adopted and applied, previewed with no changes."""
    ours = homes.ensure(folder)
    for stack in homes.STACKS:
        run([sys.executable, "-m", "operations", "adopt", "--stack", stack, "--yes"], ours)
        pulumi(ours, "up", "--yes", "--skip-preview", stack=stack)
        run([sys.executable, "-m", "operations", "adopt", "--stack", stack, "--yes"], ours)
    pulumi(ours, "preview", "--expect-no-changes")
    return ours


def with_program(source: Home, folder: Path, code: str) -> Home:
    """A copy of the home whose program is `code` and whose stacks hold nothing."""
    made = _with_code(source, folder, code)
    shutil.rmtree(folder / "state" / ".pulumi" / "stacks", ignore_errors=True)
    run([str(made.engine.pulumi), "stack", "init", STACK, "--non-interactive"], made)
    return made


def flat(source: Home, folder: Path) -> Home:
    """A copy of the home, state included, whose program declares each resource by its literal inputs."""
    made = _with_code(source, folder, programs.FLAT)
    files.write(folder / "program" / "declared.json", json.dumps(declared(made)))
    pulumi(made, "preview", "--expect-no-changes")
    return made


def declared(home: Home) -> list[dict[str, Any]]:
    """What the state holds, in the order of registration, without the stack itself."""
    text = run([str(home.engine.pulumi), "stack", "export", "--show-secrets", "--stack", STACK], home)
    return [
        {
            "urn": resource["urn"],
            "type": resource["type"],
            "name": resource["urn"].rpartition("::")[2],
            "custom": resource["custom"],
            "parent": resource.get("parent"),
            "provider": resource.get("provider", "").rpartition("::")[0],
            "inputs": _inputs(resource),
        }
        for resource in json.loads(text)["deployment"]["resources"]
        if resource["type"] != "pulumi:pulumi:Stack"
    ]


def _inputs(resource: dict[str, Any]) -> dict[str, Any]:
    inputs = {name: plain(value) for name, value in resource.get("inputs", {}).items()}
    if resource["type"].startswith("pulumi:providers:"):  # whose settings that are not text are kept as JSON
        inputs = {name: _decoded(value) for name, value in inputs.items() if name not in _ENGINES}
    return inputs


_ENGINES: Final = ("version", "__internal")


def plain(value: Any) -> Any:
    """A value of a state without the wrapping of secrets."""
    if isinstance(value, dict) and _SIGNATURE in value:
        return plain(json.loads(value["plaintext"]))
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list) else value


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _with_code(source: Home, folder: Path, code: str) -> Home:
    made = homes.copy(source, folder)
    (folder / "program").mkdir()
    files.write(folder / "program" / "__main__.py", code)
    project = (folder / "Pulumi.yaml").read_text().splitlines()
    files.write(folder / "Pulumi.yaml", "\n".join(["main: program", *project[1:]]) + "\n")
    return made


def with_our_host(home: Home, folder: Path) -> Home:
    """The home with the rehearsal's language host, whichever lies beside its engine."""
    if home.engine.origin == "build":
        return home
    return _beside(home, folder, None)


def with_official_host(home: Home, folder: Path) -> Home | None:
    """The home with the official language host; None where there is none beside the engine or on PATH."""
    if home.engine.origin != "build":
        return home
    found = shutil.which(_HOST)
    # The script that starts the rehearsal's own host has that name too.
    if found is None or b"PAINTSHARE" in Path(found).read_bytes()[:1000]:
        return None
    return _beside(home, folder, Path(found).resolve())


def _beside(home: Home, folder: Path, host: Path | None) -> Home:
    """An engine looks for its language host in its own folder first: a copy of it with that host."""
    folder.mkdir(parents=True)
    shutil.copy2(home.engine.pulumi.resolve(), folder / "pulumi")
    if host is None:
        files.write(folder / _HOST, engine.LANGUAGE_HOST, 0o755)
    else:
        for file in host.parent.glob(f"{_HOST}*"):
            shutil.copy2(file, folder / file.name)
    return dataclasses.replace(home, engine=dataclasses.replace(home.engine, bin=folder))


def pulumi(home: Home, *arguments: str, stack: str = STACK) -> str:
    return run([str(home.engine.pulumi), *arguments, "--stack", stack, "--non-interactive"], home)


def run(command: list[str], home: Home) -> str:
    """What a command printed. Ends the bench with its last words when it fails."""
    done = subprocess.run(command, cwd=CLONE, env=home.env(), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout
