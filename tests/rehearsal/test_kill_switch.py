"""The kill switch on the real engine: at once, recorded, also while another run holds the lock."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

from rehearsal import demo
from rehearsal.docker_engine import processes
from rehearsal.standin.api import AccountApi
from rehearsal.watching import watching
from tests.harness import TIMEOUT, RehearsalHome
from tests.rehearsal.test_course import dirty, log


@contextmanager
def reader(home: RehearsalHome) -> Iterator[list[str]]:
    """Reads battle all the while, as a server does with the connection string it was started with."""
    deployment = home.account("vercel").get("alias", demo.PRODUCTION_DOMAIN)
    assert deployment is not None
    built = home.account("vercel").get("deployment", deployment["deploymentId"])
    assert built is not None
    connection = urlsplit(built["env"]["EDGE_CONFIG"])
    with AccountApi(home.home.account) as api:

        def read() -> str:
            url = f"{api.edge_config_url}{connection.path}/item/battle?{connection.query}"
            try:
                with urlopen(url, timeout=30) as answer:  # noqa: S310  loopback
                    return str(json.loads(answer.read()))
            except HTTPError as error:
                return f"status {error.code}"

        with watching(read) as seen:
            yield seen


def test_a_running_reader_sees_battle_off_and_on_again_without_a_gap_and_the_next_preview_is_empty(
    applied_home: RehearsalHome,
) -> None:
    applied_home.operations("up", "--stack", "production", "--yes").ok()
    before = log(applied_home)
    deployments = set(applied_home.account("vercel").dump()["deployment"])
    with reader(applied_home) as seen:
        for state in ("off", "on"):
            applied_home.operations("features", f"battle={state}", "--stack", "production", "--yes").ok()
            assert processes.wait_until(lambda: seen[-1] == state, TIMEOUT)  # noqa: B023  called at once
            assert applied_home.config("production", "battle") == state
            applied_home.pulumi("preview", "-s", "production", "--expect-no-changes").ok()

    assert seen == ["on", "off", "on"]
    assert set(applied_home.account("vercel").dump()["deployment"]) == deployments
    switched = ["Switch battle on in production", "Switch battle off in production"]
    assert log(applied_home) == [*switched, *before]
    assert dirty(applied_home, "production") == ""


def test_it_works_while_another_run_holds_the_lock_which_keeps_what_it_recorded(
    applied_home: RehearsalHome,
) -> None:
    vercel = applied_home.account("vercel")
    applied_home.edit("production", release=demo.RELEASES[2], previousRelease=demo.RELEASES[1])
    command = ("pulumi", "up", "-s", "production", "--yes", "--skip-preview", "--non-interactive")
    with applied_home.hanging("create", "Deployment", *command) as running:
        with reader(applied_home) as seen:
            said = applied_home.operations("features", "battle=off", "--stack", "production", "--yes").ok()
            assert processes.wait_until(lambda: seen[-1] == "off", TIMEOUT)
            assert running.at_work  # the other run still holds the lock
        running.finish().ok()

    assert "is locked by" in said.stderr
    assert applied_home.config("production", "battle") == "off"
    applied_home.operations("up", "--stack", "production", "--yes", "--refresh").ok()
    assert {item["value"] for _, item in vercel.find("edgeConfigItem", key="battle")} == {"on", "off"}
    applied_home.pulumi("preview", "-s", "production", "--expect-no-changes").ok()


def test_an_unknown_feature_or_state_is_refused_by_name(applied_home: RehearsalHome) -> None:
    for word in ("battle=maybe", "chat=off", "battle"):
        refused = applied_home.operations("features", word, "--stack", "production", "--yes").failed()
        assert word in refused.text
        assert "battle=on|off" in refused.text
