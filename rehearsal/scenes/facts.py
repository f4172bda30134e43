"""What the stores must say after a scene, and what is watched while it is played."""

import json
from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import urlsplit
from urllib.request import urlopen

from rehearsal.docker_engine import processes
from rehearsal.scenes.happenings import BY_HAND, declared
from rehearsal.scenes.scene import Facts, Watched
from rehearsal.scenes.stage import PRODUCTION, STAGING, Fact, Stage

PATIENCE: Final = 60  # seconds until what was applied must answer


def _release(stage: Stage, stack: str, *, web: str, socket: str) -> Iterator[Fact]:
    """A stack serves these releases, asked where it serves."""
    served = stage.served(stack)
    told = f"{stage.config(stack)['webDomain']} serves {web[:7]}"
    yield Fact(f"web of {stack}", served.get("sha"), web, told)
    if stage.registry:
        image = f"socket:{socket}@{stage.digest(socket)}"
        running = stage.running(stack)
        yield Fact(f"image of {stack}'s socket service", running.partition(",")[0], image, "socket too")
        yield Fact(f"tasks of {stack}'s socket service", *running.partition(", ")[2].split(" of "))
        processes.wait_until(lambda: stage.healthz(stack) == socket, PATIENCE)
        yield Fact(f"/healthz of {stack}", stage.healthz(stack), socket)


def recorded(stage: Stage, stack: str, *subjects: str) -> Iterator[Fact]:
    """The newest commits of a stack's record begin so, newest first, and nothing is left uncommitted."""
    newest = stage.commits(stack)[: len(subjects)]
    begins = all(one.startswith(wanted) for one, wanted in zip(newest, subjects, strict=True))
    yield Fact("the record in git", newest if not begins else list(subjects), list(subjects))
    yield Fact("git's work tree is clean", stage.clean(stack), True)


def serves(
    stack: str, *, web: str, socket: str, record: Sequence[str], also: Facts = lambda _: iter(())
) -> Facts:
    """Afterwards a stack serves these releases (`feature` or `bad`), its record says how, and `also`."""

    def facts(stage: Stage) -> Iterator[Fact]:
        yield from _release(stage, stack, web=getattr(stage, web), socket=getattr(stage, socket))
        if stage.registry or stack == PRODUCTION:  # what staging records is its socket server's release
            named = {"feature": stage.feature, "bad": stage.bad}
            yield from recorded(stage, stack, *(subject.format_map(named) for subject in record))
        yield from also(stage)

    return facts


def n_1_is_kept(stage: Stage) -> Iterator[Fact]:
    """What production served before is N-1, and still built."""
    before = stage.kept["served before"]
    yield Fact("N-1", stage.config(PRODUCTION)["previousRelease"], before, f"N-1 is {before[:7]}")
    yield Fact("N-1 is still built", stage.kept["build before"] in stage.builds(), True)


def bad_socket_is_noted(stage: Stage) -> Iterator[Fact]:
    """The stack file says which release was taken back."""
    taken = stage.config(STAGING)["rolledBack"]
    yield Fact("what was taken back", taken, {"socket": stage.bad}, f"{stage.bad[:7]} is taken back")


def nothing_was_built(stage: Stage) -> Iterator[Fact]:
    """By the rollback: the push that reverts the bad release makes one build."""
    reverted = {stage.served(STAGING)["id"]}
    yield Fact(
        "builds made by the rollback", stage.builds() - stage.kept["builds"], reverted, "nothing was built"
    )


def switched(stage: Stage) -> Iterator[Fact]:
    """The kill switch was turned without a deployment, and its record says so."""
    before, told = stage.kept["production's builds"], "off and on, without a deployment"
    yield Fact("deployments", stage.builds(target=PRODUCTION), before, told)
    yield from recorded(stage, PRODUCTION, "Switch battle on", "Switch battle off")


def nothing_drifts(stage: Stage) -> Iterator[Fact]:
    """What was edited by hand is as before, and `drift` has found all of it."""
    yield Fact("what was edited by hand", declared(stage), stage.kept["before"])
    count = len(stage.kept["drift"])
    yield Fact("changes found", count, len(BY_HAND), f"{count} changes by hand found and taken back")


def battle(stage: Stage) -> Watched:
    """A running reader of the kill switch, with the connection string that production was built with."""
    connection = urlsplit(stage.served(PRODUCTION)["env"]["EDGE_CONFIG"])

    def read() -> str:
        url = f"{stage.edge_config_url}{connection.path}/item/battle?{connection.query}"
        with urlopen(url, timeout=30) as answer:  # noqa: S310  loopback
            return str(json.loads(answer.read()))

    return "battle, as a running server reads it", read, lambda seen: seen == ["on", "off", "on"]


def always_served(stage: Stage) -> Watched:
    """Staging's `/healthz`, while a bad release of its socket server comes and goes."""
    return (
        f"/healthz of {STAGING}", lambda: stage.healthz(STAGING), lambda seen: seen == [stage.feature],
    )  # fmt: skip
