"""A rotation in every store: each new value where it belongs, each old one nowhere."""

import contextlib
from collections.abc import Iterator
from typing import Final

from plan.rows import Need, Row, Store
from plan.variables import MATRIX, overlap_of
from rehearsal import home, stack_files
from rehearsal.docker_engine import processes
from rehearsal.scenes.facts import PATIENCE, recorded
from rehearsal.scenes.stage import Fact, Stage

PEPPER: Final = "BATTLE_PASSWORD_PEPPER"


def lines_of_rotation(stage: Stage, stack: str) -> str:
    """`KEY=VALUE` lines as somebody brings them from the issuers."""
    old = stage.secrets(stack)
    stage.kept[f"old {stack}"] = old
    return "".join(f"{key}={stack_files.made_up(stack, key)}\n" for key in old if _row(key).issued)


def _row(key: str) -> Row:
    return next(row for row in MATRIX if key in row.stack_file_keys)


def rotated(stage: Stage) -> Iterator[Fact]:
    """Each secret of the matrix in each store it goes to: the new value is there, the old one nowhere."""
    count = places = 0
    for stack in home.STACKS:
        old, new = stage.kept[f"old {stack}"], stage.secrets(stack)
        kept = {overlap_of(key): value for key, value in old.items() if overlap_of(key)}
        ended = [value for value in old.values() if value not in kept.values()]
        carried = _without(stage, stack, ended)
        for key, value in new.items():
            if key in kept:
                yield Fact(f"{key} of {stack} is the old value", value == kept[key], True)
            else:
                count += 1
                yield Fact(f"{key} of {stack} is another value", value != old[key], True)
            for where, values in _stored(stage, stack, key, carried).items():
                places += 1
                yield Fact(f"{key} of {stack} in {where}", set(values) == {value}, True)
        left = [key for key, value in old.items() if value in ended and value in carried]
        yield Fact(f"old values in containers of {stack}", left, [])
        stage.kept[f"new {stack}"] = new
    yield Fact("rotated", count > 0, True, f"{count} secrets in {places} places")
    for stack in home.STACKS:
        yield from recorded(stage, stack, "Rotate ")


def _without(stage: Stage, stack: str, ended: list[str]) -> str:
    """What the containers of a stack carry once those with ended values are gone: they drain for a while."""
    carried = ""

    def gone() -> bool:
        nonlocal carried
        carried = stage.carried(stack)
        return not any(value in carried for value in ended)

    if stage.registry:
        processes.wait_until(gone, PATIENCE)
    return carried


def _stored(stage: Stage, stack: str, key: str, carried: str) -> dict[str, list[str]]:
    """Place -> what it holds of a key. What the stack does not declare is no place."""
    row, config = _row(key), stage.config(stack)
    own, found = str(config["environment"]), dict[str, list[str]]()
    if key != row.key:  # PREVIEW_…
        environments = {"preview"}
    else:
        shared = config.get("preview") and row.preview in (Need.REQUIRED, Need.SHARED)
        environments = {own, "preview"} if shared else {own}
    if Store.VERCEL in row.stores:
        for environment in environments:
            found[f"Vercel's {environment}"] = stage.variables(row.key, environment)
    if Store.VERCEL in row.stores and own in environments:
        found["the build that is served"] = [stage.served(stack)["env"].get(row.key, "")]
    if Store.SOCKET in row.stores and own in environments and stage.registry:
        lines = [line for line in carried.splitlines() if line.startswith(f"{row.key}=")]
        found["the socket server"] = [line.partition("=")[2] for line in lines]
    if Store.GITHUB in row.stores:
        account = stage.account("github")
        with contextlib.closing(account):
            stored = [doc for _, doc in account.find("secret") if doc["name"] == row.key]
        mine = [doc["value"] for doc in stored if str(doc["environment"]).casefold() in environments]
        found["GitHub"] = mine
    if row.key == "VERCEL_ALERTS_WEBHOOK_URL":  # no service of the monitor has it: Vercel does
        account = stage.account("vercel")
        with contextlib.closing(account):
            found["Vercel's webhooks"] = [doc["endpoint"] for _, doc in account.find("webhook")]
    elif Store.MONITOR in row.stores and config.get("monitorHost") and stage.registry:
        found["the monitor"] = [stage.secrets(stack)[key]] if stage.secrets(stack)[key] in carried else []
    return found


def finished(stage: Stage) -> Iterator[Fact]:
    """The pepper of before is gone from every store, and the new one is what it was."""
    kept = str(overlap_of(PEPPER))
    for stack in home.STACKS:
        own, old = stage.config(stack)["environment"], stage.kept[f"old {stack}"][PEPPER]
        yield Fact(f"{kept} of {stack} on Vercel", stage.variables(kept, own), [])
        yield Fact(f"{kept} of {stack} in its build", stage.served(stack)["env"].get(kept), None)
        same = stage.served(stack)["env"][PEPPER] == stage.kept[f"new {stack}"][PEPPER]
        yield Fact(f"the new pepper of {stack} in its build", same, True)
        if stage.registry:
            yield Fact(
                f"the old pepper in containers of {stack}", old in _without(stage, stack, [old]), False
            )
    yield Fact("git's work tree is clean", stage.clean(), True, "the old pepper is in no store")
