"""Releases of the socket server under load, through the program: 50 players in rooms, 100 probes a second.

One stack on one engine; every test starts from a sound release, whichever that is by then, and leaves one.
"""

import os

import pytest

from rehearsal.docker_engine import images
from rehearsal.docker_engine.building import ImageRef
from tests.harness import DockerHome
from tests.rehearsal.rollouts import PLAYERS, RATE, Rollouts, Watch, release

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a Docker engine"),
]

NEVER_HEALTHY = tuple(fault for fault in images.FAULTS if fault != "dies")


class Sound:
    """Two sound releases that take turns: the one that serves, and the next."""

    def __init__(self, rollouts: Rollouts) -> None:
        self.rollouts = rollouts
        self.serves, self.next = release(rollouts.hub, "1"), release(rollouts.hub, "2")

    def turn(self) -> None:
        """The next release, by a plain `pulumi up` and nothing else."""
        self.rollouts.up(self.next).ok()
        self.serves, self.next = self.next, self.serves
        assert self.rollouts.settles(self.serves)

    def stay(self) -> None:
        """The release that serves, named again. What is there is read first, so that nothing is written:
        any write replaces all tasks (docs/hazards.md, order-of-variables)."""
        self.rollouts.up(self.serves, "--refresh").ok()
        self.rollouts.home.pulumi("preview", "-s", self.rollouts.stack, "--expect-no-changes").ok()
        assert self.rollouts.serving() == {self.serves.tag: 2}


@pytest.fixture(scope="module")
def rollouts(docker_home: DockerHome) -> Rollouts:
    made = Rollouts(docker_home, docker_home.hosts.socket)
    made.place()
    return made


@pytest.fixture(scope="module")
def sound(rollouts: Rollouts) -> Sound:
    made = Sound(rollouts)
    rollouts.up(made.serves).ok()
    assert rollouts.settles(made.serves)
    return made


@pytest.fixture(scope="module")
def window_of_the_plan(rollouts: Rollouts, sound: Sound) -> None:
    """Swarm watches a task as long as the plan says, from here on."""
    rollouts.home.edit(rollouts.stack, socketWatchSeconds=None)
    sound.turn()


def lost_nothing(watch: Watch) -> None:
    assert watch.probes["failed"] == 0, [
        one for one in watch.clients.events if one["event"] == "probe-failed"
    ]
    assert watch.probes["sent"] >= RATE * watch.seconds
    assert watch.summary["connected"] == PLAYERS
    assert watch.summary["kept"] == watch.summary["reconnects"]
    assert watch.clients.count("join-failed") == 0


def met_nothing_but(watch: Watch, serves: ImageRef, rollouts: Rollouts, bad: ImageRef) -> None:
    """No player was ever with another release. None had to leave its task either, but those of one where
    Swarm itself made another of N-1 in its place (docs/hazards.md, rollback-makes-another-task)."""
    assert watch.releases == {serves.tag}
    anew = rollouts.remade(serves, bad)
    assert len(anew) <= 1, rollouts.history()
    assert watch.summary["lost"] == 0 or anew, f"{watch.losses}\n{rollouts.history()}"


@pytest.mark.usefixtures("sound")
def test_after_the_first_up_nothing_is_left_to_change(rollouts: Rollouts) -> None:
    for verb in ("up", "refresh"):
        rollouts.home.pulumi(
            verb, "-s", rollouts.stack, "--yes", "--skip-preview", "--expect-no-changes"
        ).ok()
    rollouts.home.pulumi("preview", "-s", rollouts.stack, "--expect-no-changes").ok()


def test_a_good_release_loses_no_probe_and_every_player_goes_on_in_its_room(
    rollouts: Rollouts, sound: Sound
) -> None:
    with rollouts.watched() as watch:
        sound.turn()
        assert watch.everybody_is_back()
    print(watch.told("a good release"))
    lost_nothing(watch)


@pytest.mark.parametrize(
    "fault", [NEVER_HEALTHY[0], *(pytest.param(fault, marks=pytest.mark.soak) for fault in NEVER_HEALTHY[1:])]
)
def test_a_release_that_is_never_healthy_meets_no_player(
    rollouts: Rollouts, sound: Sound, fault: str
) -> None:
    bad = release(rollouts.hub, str(3 + NEVER_HEALTHY.index(fault)), fault)
    with rollouts.watched() as watch:
        failed = rollouts.up(bad).failed()
        assert rollouts.serving() == {sound.serves.tag: 2}
        sound.stay()
        assert watch.nobody_is_away()
    print(watch.told(f"a bad release, {fault}, and N-1 named again"))
    says_who_serves(failed.text, bad, sound.serves)
    lost_nothing(watch)
    met_nothing_but(watch, sound.serves, rollouts, bad)


@pytest.mark.soak
@pytest.mark.usefixtures("window_of_the_plan")
def test_a_release_that_dies_once_healthy_loses_no_probe_and_no_room(
    rollouts: Rollouts, sound: Sound
) -> None:
    bad, before = release(rollouts.hub, "7", "dies"), sound.serves
    with rollouts.watched() as watch:
        failed = rollouts.up(bad).failed()
        assert rollouts.settles(before)
        assert watch.nobody_is_away()
        again = rollouts.up(bad).failed()
        assert rollouts.serving() == {before.tag: 2}
        sound.turn()
        assert watch.everybody_is_back()
    print(watch.told("a release that dies, and the next good one"))
    says_who_serves(failed.text, bad, before)
    # The engine takes it for done, although the hook after the update failed: nothing is left to change.
    says_who_serves(again.text, bad, before)
    assert "pulumi up --refresh" in again.text
    assert "Traceback" not in again.text
    lost_nothing(watch)


@pytest.mark.soak
@pytest.mark.usefixtures("window_of_the_plan")
def test_a_release_that_swarm_took_back_is_tried_again_with_a_refresh(
    rollouts: Rollouts, sound: Sound
) -> None:
    bad, before = release(rollouts.hub, "7", "dies"), sound.serves
    rollouts.up(bad).failed()
    refreshed = rollouts.home.pulumi(
        "up", "-s", rollouts.stack, "--yes", "--skip-preview", "--refresh"
    ).failed()
    says_who_serves(refreshed.text, bad, before)
    assert "the release stays healthy" in refreshed.text, "no update was tried"
    sound.turn()


def says_who_serves(text: str, bad: ImageRef, serves: ImageRef) -> None:
    assert f"release {bad.tag} failed" in text, text
    assert f"{serves.tag} still serves" in text, text


@pytest.mark.soak
def test_two_bad_releases_in_a_row_do_not_make_the_first_of_them_n_minus_1(
    rollouts: Rollouts, sound: Sound
) -> None:
    """After a failed update the state holds what failed; only the engine knows what serves."""
    for digit, fault in (("4", "crash"), ("3", "healthz-500")):
        bad = release(rollouts.hub, digit, fault)
        says_who_serves(rollouts.up(bad).failed().text, bad, sound.serves)
    assert rollouts.serving() == {sound.serves.tag: 2}
    with rollouts.watched() as watch:
        sound.turn()
        assert watch.everybody_is_back()
    print(watch.told("the next good release"))
    lost_nothing(watch)


def test_a_release_that_never_existed_is_refused_before_the_service_is_touched(
    rollouts: Rollouts, sound: Sound
) -> None:
    before = rollouts.version()
    state = stated_image(rollouts)
    with rollouts.watched() as watch:
        for tag, digest, reason in (
            ("9" * 40, "sha256:" + "9" * 64, ""),
            ("9" * 40, sound.serves.digest, ""),  # the tag of nothing, beside the digest of something
            (sound.serves.tag, "sha256:" + "9" * 64, ""),
            (sound.next.tag, sound.serves.digest, f"is {sound.next.digest}, not {sound.serves.digest}"),
        ):
            failed = rollouts.up(ImageRef(sound.serves.name, tag, digest)).failed()
            assert f"release {tag} does not exist as stated" in failed.text
            assert reason in failed.text
            # Where the tags are the same, the whole name tells them apart.
            serves = sound.serves.reference if tag == sound.serves.tag else sound.serves.tag
            assert f"{serves} still serves" in " ".join(failed.text.split())
    print(watch.told("releases that do not exist"))
    lost_nothing(watch)
    assert watch.summary["lost"] == 0
    assert rollouts.version() == before
    assert stated_image(rollouts) == state
    sound.stay()


def stated_image(rollouts: Rollouts) -> str:
    """The image that the state names."""
    service = rollouts.home.resources(rollouts.stack)["socket-service"]["inputs"]
    return str(service["taskSpec"]["containerSpec"]["image"])


@pytest.mark.soak
def test_an_image_that_goes_while_it_is_rolled_out_costs_nothing(rollouts: Rollouts, sound: Sound) -> None:
    """The registry knows the image when it is asked, and no node can pull it."""
    bad = rollouts.strip(release(rollouts.hub, "8"))
    with rollouts.watched() as watch:
        failed = rollouts.up(bad).failed()
        assert watch.nobody_is_away()
    print(watch.told("an image that cannot be pulled"))
    says_who_serves(failed.text, bad, sound.serves)
    lost_nothing(watch)
    met_nothing_but(watch, sound.serves, rollouts, bad)
    sound.stay()


@pytest.mark.soak
def test_rolling_back_is_writing_the_previous_sha_and_needs_no_registry(
    rollouts: Rollouts, sound: Sound
) -> None:
    previous = sound.next
    with rollouts.watched() as watch, rollouts.registry_down():
        sound.turn()
        assert watch.everybody_is_back()
    assert sound.serves == previous
    print(watch.told("a rollback, with the registry down"))
    lost_nothing(watch)
