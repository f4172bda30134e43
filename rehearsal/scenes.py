"""A working week as scenes: feature, promotion, bad releases, rotation, kill switch, drift.

A scene is data: what happens, the verbs that a person types, and what the stores must say afterwards. The
stores are asked, never an exit code alone: the account's documents, the Docker engines, git. `make week`
plays them, side by side where they work on different stacks; a test plays the same ones.
"""

import contextlib
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import urlopen

import yaml

from operations.monitor import Monitor
from plan.rows import Need, Row, Store
from plan.settings import PROJECT
from plan.variables import MATRIX, overlap_of, secret_keys
from rehearsal import docker_hosts, home, monitor_host, site, stack_files, warm
from rehearsal.cache import Progress
from rehearsal.docker_engine import images, processes
from rehearsal.docker_engine.registry import Registry
from rehearsal.home import Home, engines
from rehearsal.standin import seeds
from rehearsal.standin.account import Account, Document
from rehearsal.standin.api import AccountApi
from rehearsal.standin.drift import DRIFTS
from rehearsal.standin.vercel import deployment
from rehearsal.watching import watching

STAGING, PRODUCTION = home.STACKS
_PATIENCE: Final = 60  # seconds until what was applied must answer
_PROBED: Final = 240  # seconds until a monitor has seen it answer
_PEPPER: Final = "BATTLE_PASSWORD_PEPPER"
_BY_HAND: Final = ("app-url", "reviewers-removed", "variable-by-hand", "kill-switch")


class SceneError(Exception):
    """A scene did not end as it must; the message says what differs."""


@dataclass(frozen=True)
class Said:
    """What a command printed, and how it ended."""

    words: tuple[str, ...]
    code: int
    text: str


@dataclass(frozen=True)
class Fact:
    """One thing that a store was asked: `found` must equal `wanted`, and `told` is said of it."""

    what: str
    found: object
    wanted: object
    told: str = ""


@dataclass(frozen=True, kw_only=True)
class Verb:
    """`python -m operations WORDS`, as a person types it. `{name}`s are filled in from the stage."""

    words: str
    code: int = 0
    says: str = ""
    stdin: Callable[["Stage", str], str] | None = None  # by the stack
    each: bool = False  # for both stacks, `{stack}`, at the same time


Happening = Callable[["Stage"], object]
"""What somebody else does: a push, a release that breaks, a hand in a dashboard."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One scene. `during` is watched while its steps run."""

    title: str
    steps: tuple[Verb | Happening, ...]
    facts: Callable[["Stage"], Iterator[Fact]]
    during: Callable[["Stage"], "Watched"] | None = None
    docker: bool = False  # True: there is no such scene without Docker


Watched = tuple[str, Callable[[], str], Callable[[list[str]], bool]]
"""What is watched, how it is asked, and which of its answers, in their order, are right."""


@dataclass
class Stage:
    """A home with both stacks applied, and the two releases of the play."""

    home: Home
    registry: Registry | None  # None: no Docker here
    feature: str = ""
    bad: str = ""
    said: list[Said] = field(default_factory=list)
    kept: dict[str, Any] = field(default_factory=dict)  # by scenes, for later ones
    edge_config_url: str = ""  # of the scene that is played

    def __post_init__(self) -> None:
        if self.feature:
            return
        named = {str(self.config(stack).get(key, "")) for stack in home.STACKS for key in _RELEASES}
        named |= {sha for stack in home.STACKS for sha in self.config(stack).get("rolledBack", {}).values()}
        last = max(3, *(int(sha[:1] or "0", 16) for sha in named))
        # Releases of their own at each repetition, as long as there are digits.
        self.feature, self.bad = (f"{4 + (last - 3 + n) % 12:x}" * 40 for n in (0, 1))

    def account(self, service: str) -> Account:
        return Account(self.home.account, service)

    def config(self, stack: str) -> dict[str, Any]:
        """The plain keys of a stack file."""
        content = yaml.safe_load(self.home.stack_file(stack).read_text())["config"]
        return {key.removeprefix(f"{PROJECT}:"): value for key, value in content.items()}

    def secrets(self, stack: str) -> dict[str, str]:
        """Every secret of the matrix that the stack file holds, in the clear."""
        shown = json.loads(self.run("pulumi", "config", "--stack", stack, "--show-secrets", "--json").text)
        values = {key.removeprefix(f"{PROJECT}:"): entry.get("value", "") for key, entry in shown.items()}
        return {key: value for key, value in values.items() if key in secret_keys() and value}

    def variables(self, key: str, environment: str) -> list[str]:
        """The values of a variable at Vercel in one environment of the plan."""
        account = self.account("vercel")
        with contextlib.closing(account):
            custom = {id for id, found in account.find("environment") if found["name"] == environment}
            return [
                document["value"]
                for _, document in account.find("variable", key=key)
                if environment in document["targets"] or custom & set(document["customEnvironmentIds"])
            ]

    def digest(self, sha: str) -> str:
        """Digest of a release's socket image; empty where none was built."""
        return str(self.kept.get(f"digest {sha}", ""))

    def run(self, *command: str, stdin: str = "") -> Said:
        done = subprocess.run(
            warm.command(command), cwd=home.CLONE, env=self.home.env() | {"NO_COLOR": "1"}, input=stdin,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        return Said(command, done.returncode, done.stdout)

    def operations(self, verb: Verb, stack: str = "") -> None:
        """Run a verb and note what it said. Raises SceneError unless it ends and speaks as it must."""
        known = {"feature": self.feature, "bad": self.bad, "stack": stack}
        known |= {"image": self._image(self.feature), "bad_image": self._image(self.bad)}
        words = verb.words.format_map(known).split()
        stdin = verb.stdin(self, stack) if verb.stdin else ""
        said = self.run(sys.executable, "-m", "operations", *words, stdin=stdin)
        self.said.append(Said(("python", "-m", "operations", *words), said.code, said.text))
        if said.code != verb.code:
            raise SceneError(f"`operations {' '.join(words)}` ended with {said.code}, not {verb.code}")
        if verb.says.format_map(known) not in said.text:
            raise SceneError(f"`operations {' '.join(words)}` does not say {verb.says.format_map(known)!r}")

    def _image(self, sha: str) -> str:
        digest = self.digest(sha)
        return f"--digest {digest}" if digest else ""

    # --- what the stores say ------------------------------------------------------------------------------

    def served(self, stack: str) -> Document:
        """The deployment behind the stack's domain; empty when it serves nothing."""
        account = self.account("vercel")
        with contextlib.closing(account):
            alias = account.get("alias", self.config(stack)["webDomain"]) or {}
            id = str(alias.get("deploymentId", ""))
            return {"id": id, **(account.get("deployment", id) or {})}

    def builds(self, **wanted: str) -> set[str]:
        account = self.account("vercel")
        with contextlib.closing(account):
            return {id for id, _ in account.find("deployment", **wanted)}

    def running(self, stack: str) -> str:
        """`TAG@DIGEST, n of m`: what the engine runs in the stack's socket service."""
        engine = engines(self.home.folder)[0]
        service = f"{PROJECT}-{stack}-socket"
        with contextlib.closing(engine.client()) as client:
            found = client.api.inspect_service(service)
            tasks = client.api.tasks(filters={"service": service, "desired-state": "running"})
        image = found["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"]
        mine = [
            task
            for task in tasks
            if task["Spec"]["ContainerSpec"]["Image"] == image and task["Status"]["State"] == "running"
        ]
        wanted = found["Spec"]["Mode"]["Replicated"]["Replicas"]
        return f"{image.rpartition(':socket')[2].rpartition('/')[2]}, {len(mine)} of {wanted}"

    def healthz(self, stack: str) -> str:
        """The release that answers at the stack's proxy; empty when none does."""
        return docker_hosts.endpoint(self.home, stack).release()

    def carried(self, stack: str) -> str:
        """Every environment variable and mounted file of every container of the stack, on both hosts."""
        texts: list[str] = []
        for engine in engines(self.home.folder):
            with contextlib.closing(engine.client()) as client:
                for container in client.containers.list(filters={"label": "com.docker.swarm.service.name"}):
                    labels = container.labels
                    if not labels["com.docker.swarm.service.name"].startswith(f"{PROJECT}-{stack}-"):
                        continue
                    texts += container.attrs["Config"]["Env"]
                    spec = client.api.inspect_service(labels["com.docker.swarm.service.id"])["Spec"]
                    content = spec["TaskTemplate"]["ContainerSpec"]
                    for mounted in (*content.get("Secrets", ()), *content.get("Configs", ())):
                        name = mounted["File"]["Name"]
                        path = name if name.startswith("/") else f"/run/secrets/{name}"
                        texts.append(
                            container.exec_run(["busybox", "cat", path]).output.decode(errors="replace")
                        )
        return "\n".join(texts)

    def commits(self, stack: str) -> list[str]:
        """Subjects of a stack's record, newest first."""
        return self.git("log", "--format=%s", "--", self.home.stack_file(stack).name).splitlines()

    def clean(self, *stacks: str) -> bool:
        return self.git("status", "--porcelain", "--", *(self.home.stack_file(s).name for s in stacks)) == ""

    def git(self, *words: str) -> str:
        return self.run("git", "-C", str(self.home.folder), *words).text


_RELEASES: Final = ("release", "socketRelease", "previousRelease", "previousSocketRelease")


# --- what happens -------------------------------------------------------------------------------------------


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
    """What adopting wrote into the stack files is committed by whoever adopted (README).

    From here on each socket server has one task: every rollout of the week waits for one window, not for two.
    """
    for stack in home.STACKS:
        if stage.config(stack).get("socketReplicas") != 1:
            stage.home.edit(stack, socketReplicas=1)
    if not stage.clean():
        stage.git("commit", "--quiet", "--all", "--message", "Adopt both stacks")


def note_production(stage: Stage) -> None:
    served = stage.served(PRODUCTION)
    stage.kept["served before"], stage.kept["build before"] = served["sha"], served["id"]


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
    for name in _BY_HAND:
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


# --- facts --------------------------------------------------------------------------------------------------


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
        processes.wait_until(lambda: stage.healthz(stack) == socket, _PATIENCE)
        yield Fact(f"/healthz of {stack}", stage.healthz(stack), socket)


def _recorded(stage: Stage, stack: str, *subjects: str) -> Iterator[Fact]:
    """The newest commits of a stack's record begin so, newest first, and nothing is left uncommitted."""
    newest = stage.commits(stack)[: len(subjects)]
    begins = all(one.startswith(wanted) for one, wanted in zip(newest, subjects, strict=True))
    yield Fact("the record in git", newest if not begins else list(subjects), list(subjects))
    yield Fact("git's work tree is clean", stage.clean(stack), True)


def staged(stage: Stage) -> Iterator[Fact]:
    yield from _release(stage, STAGING, web=stage.feature, socket=stage.feature)
    if stage.registry:
        yield from _recorded(stage, STAGING, f"Stage {stage.feature[:12]}")


def promoted(stage: Stage) -> Iterator[Fact]:
    yield from _release(stage, PRODUCTION, web=stage.feature, socket=stage.feature)
    yield from _recorded(stage, PRODUCTION, f"Promote {stage.feature[:7]}")
    before = stage.kept["served before"]
    yield Fact("N-1", stage.config(PRODUCTION)["previousRelease"], before, f"N-1 is {before[:7]}")
    yield Fact("N-1 is still built", stage.kept["build before"] in stage.builds(), True)


def swarm_kept(stage: Stage) -> Iterator[Fact]:
    yield from _release(stage, STAGING, web=stage.bad, socket=stage.feature)
    yield from _recorded(stage, STAGING, "Roll socket of staging back", f"Stage {stage.bad[:12]}")
    taken = stage.config(STAGING)["rolledBack"]
    yield Fact("what was taken back", taken, {"socket": stage.bad}, f"{stage.bad[:7]} is taken back")


def rolled_back(stage: Stage) -> Iterator[Fact]:
    yield from _release(stage, PRODUCTION, web=stage.feature, socket=stage.feature)
    yield from _recorded(stage, PRODUCTION, "Roll web of production back", f"Promote {stage.bad[:7]}")
    reverted = {stage.served(STAGING)["id"]}  # built by the push that reverts it
    yield Fact(
        "builds made by the rollback", stage.builds() - stage.kept["builds"], reverted, "nothing was built"
    )


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
        yield from _recorded(stage, stack, "Rotate ")


def _without(stage: Stage, stack: str, ended: list[str]) -> str:
    """What the containers of a stack carry once those with ended values are gone: they drain for a while."""
    carried = ""

    def gone() -> bool:
        nonlocal carried
        carried = stage.carried(stack)
        return not any(value in carried for value in ended)

    if stage.registry:
        processes.wait_until(gone, _PATIENCE)
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
    kept = str(overlap_of(_PEPPER))
    for stack in home.STACKS:
        own, old = stage.config(stack)["environment"], stage.kept[f"old {stack}"][_PEPPER]
        yield Fact(f"{kept} of {stack} on Vercel", stage.variables(kept, own), [])
        yield Fact(f"{kept} of {stack} in its build", stage.served(stack)["env"].get(kept), None)
        same = stage.served(stack)["env"][_PEPPER] == stage.kept[f"new {stack}"][_PEPPER]
        yield Fact(f"the new pepper of {stack} in its build", same, True)
        if stage.registry:
            yield Fact(
                f"the old pepper in containers of {stack}", old in _without(stage, stack, [old]), False
            )
    yield Fact("git's work tree is clean", stage.clean(), True, "the old pepper is in no store")


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


def note_builds(stage: Stage) -> None:
    stage.kept["production's builds"] = stage.builds(target=PRODUCTION)


def switched(stage: Stage) -> Iterator[Fact]:
    before, told = stage.kept["production's builds"], "off and on, without a deployment"
    yield Fact("deployments", stage.builds(target=PRODUCTION), before, told)
    yield from _recorded(stage, PRODUCTION, "Switch battle on", "Switch battle off")


def nothing_drifts(stage: Stage) -> Iterator[Fact]:
    yield Fact("what was edited by hand", declared(stage), stage.kept["before"])
    count = len(stage.kept["drift"])
    yield Fact("changes found", count, len(_BY_HAND), f"{count} changes by hand found and taken back")


# --- the play -----------------------------------------------------------------------------------------------

_FEATURE: Final = Scene(
    title="a feature reaches staging",
    steps=(
        commit_adoption,
        push("feature"),
        Verb(words="stage --stack staging --release {feature} {image} --yes"),
        Verb(words="smoke --stack staging"),
    ),
    facts=staged,
)  # fmt: skip
_PROMOTION: Final = Scene(
    title="promoted to production",
    steps=(
        note_production,
        rehearsed_gate,
        Verb(words="promote --stack production --release {feature} --yes"),
        Verb(words="smoke --stack production"),
    ),
    facts=promoted,
)  # fmt: skip
_BAD_SOCKET: Final = Scene(
    title="Swarm rolls a bad one back",
    steps=(
        push("bad", fault="crash"),
        Verb(
            words="stage --stack staging --release {bad} {bad_image} --yes",
            code=1, says="{feature} still serves",
        ),
        Verb(words="rollback --stack staging --yes"),
    ),
    facts=swarm_kept,
    during=always_served,
    docker=True,
)  # fmt: skip
_BAD_PAGE: Final = Scene(
    title="a bad page is rolled back",
    steps=(
        push("bad"),
        Verb(words="promote --stack production --release {bad} --yes"),
        breaks,
        Verb(words="smoke --stack production", code=1, says="the smoke test of production failed"),
        Verb(words="rollback --stack production --yes"),
        Verb(words="smoke --stack production"),
        Verb(words="promote --stack production --yes", code=1, says="of web was rolled back"),
        mended,
    ),
    facts=rolled_back,
)  # fmt: skip
_ROTATION: Final = Scene(
    title="every secret is rotated",
    steps=(
        Verb(words="rotate --all --generate --stack {stack} --yes", each=True, stdin=lines_of_rotation),
    ),
    facts=rotated,
)  # fmt: skip
_OLD_PEPPER: Final = Scene(
    title="the old pepper ends",
    steps=(Verb(words=f"rotate {_PEPPER} --finish --stack {{stack}} --yes", each=True),),
    facts=finished,
)  # fmt: skip
_KILL_SWITCH: Final = Scene(
    title="battle off and on again",
    steps=(
        note_builds,
        Verb(words="features battle=off --stack production --yes"),
        Verb(words="features battle=on --stack production --yes"),
    ),
    facts=switched,
    during=battle,
)  # fmt: skip
_DRIFT: Final = Scene(
    title="drift is found and mended",
    steps=(
        by_hand,
        Verb(words="drift --stack production --json", code=3),
        taken_back,
        Verb(words="drift --stack production", says="nothing was changed by hand"),
    ),
    facts=nothing_drifts,
)  # fmt: skip

Act = tuple[tuple[Scene, ...], ...]
"""Lanes that are played side by side, each a chain of scenes: they work on different stacks."""

WEEK: Final[tuple[Act, ...]] = (
    ((_FEATURE,),),
    ((_PROMOTION,),),
    ((_BAD_SOCKET,), (_KILL_SWITCH, _DRIFT)),
    ((_BAD_PAGE,),),
    ((_ROTATION, _OLD_PEPPER),),
)
SCENES: Final = tuple(scene for act in WEEK for lane in act for scene in lane)
"""All of them, in an order in which they can also be played one by one."""


def play(stage: Stage, scene: Scene) -> str:
    """Play one scene. What the stores say, in a line; raises SceneError with everything that differs."""
    stage.said.clear()
    with contextlib.ExitStack() as around:
        stage.edge_config_url = around.enter_context(AccountApi(stage.home.account)).edge_config_url
        if scene.during:
            what, look, right = scene.during(stage)
            seen = around.enter_context(watching(look, pause=0.1))
        for step in scene.steps:
            _take(stage, step)
        if scene.during:
            around.close()
            if not right(seen):
                raise SceneError(f"{what} was {', then '.join(map(repr, seen))}")
    facts = list(scene.facts(stage))
    wrong = [
        f"{fact.what}: {fact.found!r}, not {fact.wanted!r}" for fact in facts if fact.found != fact.wanted
    ]
    if wrong:
        raise SceneError("\n".join(wrong))
    return ", ".join(fact.told for fact in facts if fact.told)


def _take(stage: Stage, step: "Verb | Happening") -> None:
    if not isinstance(step, Verb):
        step(stage)
    elif step.each:
        with ThreadPoolExecutor() as pool:
            for done in [pool.submit(stage.operations, step, stack) for stack in home.STACKS]:
                done.result()
    else:
        stage.operations(step)


def play_all(acts: Sequence[Act], stage: Stage, say: Progress, line: Callable[..., None]) -> bool:
    """Play every scene that this machine can, one line each by `line`; False where one fails.

    The scenes beside it are played to their end, those after it are left out.
    """
    for act in acts:
        with ThreadPoolExecutor() as pool:
            # What is said belongs to a lane, what is kept to all.
            lanes = [pool.submit(_play_lane, lane, replace(stage, said=[]), say, line) for lane in act]
        if not all(lane.result() for lane in lanes):
            return False
    return True


def _play_lane(lane: Sequence[Scene], stage: Stage, say: Progress, line: Callable[..., None]) -> bool:
    for scene in lane:
        if scene.docker and stage.registry is None:
            continue
        started, trouble, told = time.monotonic(), "", ""
        try:
            told = play(stage, scene)
        except SceneError as error:
            trouble = str(error)
        line(say, ok=not trouble, title=scene.title, seconds=time.monotonic() - started, told=told)
        log = stage.home.logs / f"scene-{scene.title.replace(' ', '-')}.log"
        log.write_text("\n".join(f"$ {shlex.join(said.words)}\n{said.text}" for said in stage.said))
        if trouble:
            say(f"{trouble}\nWhat was said: {log}")
            return False
    return True
