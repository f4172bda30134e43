"""Command line of the rehearsal: `python -m rehearsal env|status|reset|drift|up|week`.

Owns arguments, questions, tables and exit codes. Imports what a command needs when it runs, so that `env`
stays quick, and starts itself again in the clone's .venv when the Python at hand lacks the requirements.
"""

import argparse
import importlib.util
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rehearsal import guarded

if TYPE_CHECKING:
    from rich.table import Table

    from rehearsal.home import Home

_CLONE = Path(__file__).resolve().parent.parent


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m rehearsal",
        description="Practise both stacks on this machine, with the real engine and without any account.",
    )
    parser.add_argument(
        "--home", type=Path, help="folder of the rehearsal (default: .rehearsal in the clone)"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser(
        "env", help='print the environment of the rehearsal: eval "$(python -m rehearsal env)"'
    )
    commands.add_parser("status", help="show the stacks, the accounts' objects and what the Docker hosts run")
    reset = commands.add_parser(
        "reset", help="remove the rehearsal: Docker hosts, accounts, stacks and secrets"
    )
    reset.add_argument("--yes", "-y", action="store_true", help="do not ask")
    drift = commands.add_parser("drift", help="change something by hand, behind the program's back")
    drift.add_argument("name", nargs="?", help="which change; without it, the list")
    commands.add_parser("up", help="the whole rehearsal: adopt, preview, up, no-change checks, both stacks")
    commands.add_parser(
        "week", help="a working week on it: releases, rollbacks, rotation, kill switch, drift"
    )
    chosen = parser.parse_args(arguments)

    if chosen.command in ("up", "week") and guarded.VARIABLE not in os.environ:  # as make does
        return guarded.run([sys.executable, "-m", "rehearsal", *(arguments or sys.argv[1:])])
    if missing := _missing():
        _restart()
        print(f"error: this Python lacks the package {missing}. Run: make install", file=sys.stderr)
        return 1

    from rehearsal.engine import EngineError  # noqa: PLC0415  needs the clone's Python
    from rehearsal.home import FOLDER, HomeError  # noqa: PLC0415  the same

    try:
        return _run(chosen, chosen.home or FOLDER)
    except (EngineError, HomeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _run(chosen: argparse.Namespace, folder: Path) -> int:
    match chosen.command:
        case "env":
            return _env(folder)
        case "status":
            return _status(folder)
        case "reset":
            return _reset(folder, yes=chosen.yes)
        case "drift":
            return _drift(folder, chosen.name)
        case "week":
            from rehearsal import week  # noqa: PLC0415  only this command needs it

            return week.run(folder)
    from rehearsal import scenario  # noqa: PLC0415  the same

    return scenario.run(folder)


def _env(folder: Path) -> int:
    from rehearsal import home  # noqa: PLC0415

    here = home.ensure(folder, _note)
    _resume(here)
    sys.stdout.write(here.script())
    return 0


def _resume(home: "Home") -> None:
    """Start the home's Docker hosts again, if it has any: after a reboot they are gone."""
    if (home.folder / "docker").exists():  # before the slow imports
        from rehearsal import docker_hosts, outside  # noqa: PLC0415
        from rehearsal.docker_engine import DockerUnavailableError  # noqa: PLC0415

        try:
            docker_hosts.ensure(home.folder, _note)
            if outside.existing(home.folder):
                outside.ensure(home, _note)
        except DockerUnavailableError as error:
            _note(f"the Docker hosts do not start, and `pulumi up` will not reach them: {error}")


def _status(folder: Path) -> int:
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    from rehearsal import home  # noqa: PLC0415
    from rehearsal.standin.account import Account  # noqa: PLC0415

    if not home.existing(folder):
        print("There is no rehearsal yet: make rehearse, or python -m rehearsal env")
        return 0
    here = home.ensure(folder, _note)
    console = Console(width=100, highlight=False)
    stacks = Table(title="Stacks", title_justify="left")
    for heading in ("stack", "resources", "last update"):
        stacks.add_column(heading, justify="right" if heading == "resources" else "left")
    for stack in here.stacks():
        count = stack.get("resourceCount")
        when = stack["lastUpdate"][:16].replace("T", " ") + " UTC" if count else "never applied"
        stacks.add_row(stack["name"], str(count or 0), when)
    console.print(stacks)
    objects = Table(title="Accounts", title_justify="left")
    for heading in ("service", "kind", "objects"):
        objects.add_column(heading, justify="right" if heading == "objects" else "left")
    for service in home.ACCOUNTS:
        account = Account(here.account, service)
        for kind, found in account.dump().items():
            objects.add_row(service, kind, str(len(found)))
        account.close()
    console.print(objects)
    console.print(_docker_table(here.folder))
    console.print(
        f"Pulumi engine {here.engine.version} ({here.engine.origin}): {here.engine.pulumi}", soft_wrap=True
    )
    console.print(f"Home {here.folder}", soft_wrap=True)
    return 0


_SHORT: Final = 12  # digits of a release: with all 40 the names would be folded at 100 columns


def _docker_table(folder: Path) -> "Table | str":
    from rich.table import Table  # noqa: PLC0415

    from rehearsal import docker_hosts  # noqa: PLC0415
    from rehearsal.home import engines  # noqa: PLC0415

    if not docker_hosts.existing(folder):
        return "No Docker host: make rehearse starts them"
    table = Table(title="Docker hosts", title_justify="left")
    for heading in ("host", "service", "release", "tasks"):
        table.add_column(heading, overflow="fold")
    for role, engine in zip(("socket", "monitoring"), engines(folder), strict=True):
        if engine.running():
            rows = docker_hosts.services(engine) or [("no service yet", "", "")]
        else:
            rows = [("stopped; python -m rehearsal env starts it", "", "")]
        for service, release, tasks in rows:
            table.add_row(role, service, release[:_SHORT], tasks)
    return table


def _reset(folder: Path, *, yes: bool) -> int:
    if not folder.exists():
        print("There is nothing to reset.")
        return 0
    if not yes:
        if not sys.stdin.isatty():
            print("error: reset asks first; without a terminal say --yes", file=sys.stderr)
            return 1
        answer = input(f"Remove {folder} with its Docker hosts, accounts, stacks and secrets? [y/N] ")
        if answer.strip().lower() not in ("y", "yes"):
            print("Nothing was removed.")
            return 1
    from rehearsal import reset  # noqa: PLC0415  slow to import

    reset.remove(folder)
    print(f"Removed {folder}.")
    return 0


def _drift(folder: Path, name: str | None) -> int:
    from rehearsal.host_drift import HOST_DRIFTS, HostDrift  # noqa: PLC0415  slow to import
    from rehearsal.standin.drift import DRIFTS, Drift  # noqa: PLC0415

    every: dict[str, Drift | HostDrift] = {**DRIFTS, **HOST_DRIFTS}
    if name is None:
        width = max(len(name) for name in every)
        for known, drift in every.items():
            unseen = "" if drift.seen else "  (not seen by a refresh: no plugin reads it)"
            print(f"{known:{width}}  {drift.description}{unseen}")
        return 0
    if name not in every:
        print(f"error: no drift is named {name!r}. Known: {', '.join(every)}", file=sys.stderr)
        return 2
    from rehearsal import home  # noqa: PLC0415

    here = home.ensure(folder, _note)
    drift = every[name]
    try:
        drift.apply(here.account)
    except LookupError as error:
        print(f"error: {error.args[0]}", file=sys.stderr)
        return 1
    print(f"Done: {drift.description}.")
    print("See it and mend it: python -m operations drift -s production    (or -s staging)")
    if drift.seen:
        print("Or with the engine alone: pulumi preview --refresh, then pulumi up --refresh")
    else:
        print("A refresh does not show it: no plugin reads it.")
    return 0


def _note(text: str) -> None:
    """Progress goes to standard error: standard output of `env` is for the shell."""
    print(text, file=sys.stderr, flush=True)


def _missing() -> str | None:
    needed = ("pulumi", "pulumi_github", "pulumiverse_vercel", "yaml", "rich")
    return next((name for name in needed if importlib.util.find_spec(name) is None), None)


def _restart() -> None:
    """Become the same command under the clone's .venv, unless there is none or this is it."""
    python = _CLONE / ".venv" / "bin" / "python"
    if python.exists() and Path(sys.prefix).resolve() != python.parent.parent.resolve():
        os.execv(python, [str(python), "-m", "rehearsal", *sys.argv[1:]])  # noqa: S606  no shell is meant


if __name__ == "__main__":
    sys.exit(main())
