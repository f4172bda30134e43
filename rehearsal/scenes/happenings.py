"""What somebody else does: a push, a release that breaks, a hand in a dashboard; and what is noted before."""

import contextlib
import json
from typing import Final

from operations.services.monitor import Monitor
from rehearsal import home, monitor_host, site
from rehearsal.docker_engine import images, processes
from rehearsal.scenes.scene import Happening
from rehearsal.scenes.stage import PRODUCTION, STAGING, SceneError, Stage, Verb
from rehearsal.standin import seeds
from rehearsal.standin.drift import DRIFTS
from rehearsal.standin.vercel import deployment

_PROBED: Final = 240  # seconds until a monitor has seen it answer
BY_HAND: Final = ("app-url", "reviewers-removed", "variable-by-hand", "kill-switch")


def push(sha: str, *, fault: str = "") -> Happening:
    """A push of `feature` or `bad` to develop: checks are green, Vercel builds it, CI pushes its image."""

    def happen(stage: Stage) -> None:
        release = getattr(stage, sha)
        github = stage.account("github")
        with contextlib.closing(github), github.transaction():
            parent = stage.config(PRODUCTION)["release"]
            if parent != release:
                seeds.commit(github, release, parent=parent)
        site.break_release(stage.home.account, release, broken=False)
        account = stage.account("vercel")
        with contextlib.closing(account), account.transaction():
            deployment.push(account, seeds.REPOSITORY, stage.config(STAGING)["branch"], release)
        if stage.registry:
            image = images.socket_server(stage.registry, release, fault=fault)
            stage.kept[f"digest {release}"] = image.digest

    return happen


def commit_adoption(stage: Stage) -> None:
    """What adopting wrote into the stack files is committed by whoever adopted (docs/going-live.md).

    From here on each socket server has one task: every rollout of the week waits for one window, not for two.
    """
    for stack in home.STACKS:
        if stage.config(stack).get("socketReplicas") != 1:
            stage.home.edit(stack, socketReplicas=1)
    if not stage.clean():
        stage.git("commit", "--quiet", "--all", "--message", "Adopt both stacks")


def note_production(stage: Stage) -> None:
    """What production serves before a promotion."""
    served = stage.served(PRODUCTION)
    stage.kept["served before"], stage.kept["build before"] = served["sha"], served["id"]


def note_builds(stage: Stage) -> None:
    """Production's builds before the kill switch is turned."""
    stage.kept["production's builds"] = stage.builds(target=PRODUCTION)


def rehearsed_gate(stage: Stage) -> None:
    """Production as `promote` asks for it: nobody here waits half an hour for a healthy release."""
    watched = [stack for stack in home.STACKS if stage.config(stack).get("monitorHost")]
    every = len(watched) == len(home.STACKS)
    key, value = ("promoteAfterMinutes", "0") if every else ("promoteUnmonitored", "true")
    done = stage.run("pulumi", "config", "set", key, value, "--stack", PRODUCTION)
    if done.code:
        raise SceneError(done.text)
    for stack in watched:
        _await_health(stage, stack)


def _await_health(stage: Stage, stack: str) -> None:
    """Return once every check of the stack's monitor answers. Raises SceneError when one does not."""
    watch = Monitor(monitor_host.url(stage.home, stack), stage.secrets(stack)["MONITOR_PASSWORD"])
    seen: dict[str, bool] = {}

    def healthy() -> bool:
        seen.update(monitor_host.answering(watch))
        return bool(seen) and all(seen.values())

    with contextlib.closing(watch):
        if not processes.wait_until(healthy, _PROBED, every=0.5):
            raise SceneError(f"the monitor of {stack} sees {seen or 'nothing'}")


def breaks(stage: Stage) -> None:
    """In production, and only there, the bad release answers 500."""
    stage.kept["builds"] = stage.builds()
    site.break_release(stage.home.account, stage.bad)


def mended(stage: Stage) -> None:
    """The bad release is reverted: develop is what it was before."""
    push("feature")(stage)


def by_hand(stage: Stage) -> None:
    """Somebody edits production in the dashboards."""
    stage.kept["before"] = declared(stage)
    for name in BY_HAND:
        DRIFTS[name].apply(stage.home.account)


def taken_back(stage: Stage) -> None:
    """Each command that `drift` printed, in one."""
    printed = stage.said[-1].text
    found = json.loads(printed[printed.index("{") :])["drift"]
    stage.kept["drift"] = [finding["name"] for finding in found]
    named = " ".join(f"--mend {finding['name']}" for finding in found)
    stage.operations(Verb(words=f"drift --stack {PRODUCTION} --yes {named}"))


def declared(stage: Stage) -> dict[str, object]:
    """What the hands of `by_hand` change, as it is now."""
    vercel_account, github = stage.account("vercel"), stage.account("github")
    with contextlib.closing(vercel_account), contextlib.closing(github):
        found: dict[str, object] = {
            f"{variable['key']} {variable['targets']}": variable["value"]
            for _, variable in vercel_account.find("variable")
        }
        found |= {f"item {id}": item["value"] for id, item in vercel_account.find("edgeConfigItem")}
        found |= {
            f"{environment['repository']} {environment['name']}": environment["reviewers"]
            for _, environment in github.find("environment")
        }
    return found
