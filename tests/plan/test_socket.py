"""The socket server's plan: nothing without a release, the environment off the matrix, the proxy's text."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from plan.hosts import SWARM_NAME
from plan.rows import Class
from plan.settings import Settings
from plan.socket import (
    DRAIN_SECONDS,
    PROXY_STOP_GRACE,
    STOP_GRACE,
    SocketPlan,
    forgets_failures,
    socket_plan,
)
from plan.uptime import uptime_plan
from plan.variables import MATRIX
from tests.builders import StackFile, monitored, production, staging

CONVERGE = 300
SHA, DIGEST = "a" * 40, "sha256:" + "b" * 64


def with_release(make: Any, **changes: Any) -> StackFile:
    file: StackFile = make(socketRelease=SHA, socketDigest=DIGEST, **changes)
    return file


def plan(make: Any = staging, **changes: Any) -> SocketPlan:
    found = socket_plan(with_release(make, **changes).settings())
    assert found is not None
    return found


def seconds(duration: str) -> float:
    return float(duration.removesuffix("s"))


def test_without_a_release_nothing_is_declared() -> None:
    assert socket_plan(staging().settings()) is None


def test_the_image_is_named_by_tag_and_digest() -> None:
    assert plan(socketImage="registry.example/socket").image == f"registry.example/socket:{SHA}@{DIGEST}"


def test_every_physical_name_carries_the_stack() -> None:
    ours, theirs = plan(staging), plan(production)
    assert ours.prefix == "paintshare-staging"
    assert ours.caddyfile_name.startswith("paintshare-staging-")
    assert theirs.caddyfile_name.startswith("paintshare-production-")


def test_secrets_are_apart_from_what_may_be_read() -> None:
    found = plan()
    assert {"SUPABASE_SERVICE_ROLE_KEY", "BATTLE_PASSWORD_PEPPER", "SENTRY_DSN"} == found.secrets.keys()
    assert {"SUPABASE_URL", "CLIENT_URL", "PORT", "DRAIN_SECONDS", "NODE_ENV"} == found.environment.keys()
    assert found.edge_config
    assert not set(found.secrets.values()) & set(found.environment.values())


def test_file_secrets_leave_no_secret_in_the_environment_and_are_named_by_their_keyed_hmac() -> None:
    found = plan(socketFileSecrets=True)
    assert found.secrets == {}
    assert {file.key for file in found.file_secrets} == plan().secrets.keys()
    assert found.environment["BATTLE_PASSWORD_PEPPER_FILE"] == "/run/secrets/BATTLE_PASSWORD_PEPPER"
    for file in found.file_secrets:
        assert file.name.startswith("paintshare-staging-")
        assert file.value not in file.name
    assert len({file.name for file in found.file_secrets}) == len(found.file_secrets)
    assert found.edge_config_file
    made = found.edge_config_file("https://edge-config.example/ecfg_1?token=one")
    assert made.name.startswith("paintshare-staging-edge-config-")
    assert made.name != found.edge_config_file("https://edge-config.example/ecfg_1?token=two").name
    assert "one" not in made.name
    assert found.environment["EDGE_CONFIG_FILE"] == "/run/secrets/EDGE_CONFIG"


def test_a_task_is_given_longer_to_stop_than_it_drains() -> None:
    assert int(STOP_GRACE.removesuffix("s")) > DRAIN_SECONDS


def test_a_changed_proxy_text_has_another_name_and_an_equal_one_the_same() -> None:
    assert plan().caddyfile_name == plan().caddyfile_name
    assert plan().caddyfile_name != plan(socketTls="internal").caddyfile_name


@pytest.mark.parametrize(
    ("tls", "site", "there", "absent"),
    [
        ("acme", "socket-staging.share-paint.app {", "", "tls internal"),
        ("internal", "socket-staging.share-paint.app {", "tls internal", "auto_https off"),
        ("off", "http://:8080 {", "auto_https off", "tls internal"),
    ],
)
def test_the_proxy_gets_its_certificates_as_the_stack_file_says(
    tls: str, site: str, there: str, absent: str
) -> None:
    text = plan(socketTls=tls).caddyfile
    assert f"\n{site}\n" in text
    assert there in text
    assert absent not in text


def test_the_proxy_hides_the_metrics_and_finds_every_task() -> None:
    text = plan().caddyfile
    assert "@private path /metrics /metrics/*" in text
    assert "respond @private 404" in text
    assert "name tasks.paintshare-staging-socket" in text


@pytest.mark.parametrize(
    ("image", "older"),
    [
        ("caddy:2.10.2-alpine", True),
        ("caddy:2.11.1", True),
        ("registry.example:5000/team/caddy:2.6.2@sha256:" + "1" * 64, True),
        ("caddy:2.10", True),
        ("caddy:v2.9.1", True),
        ("caddy:2.11.2", False),
        ("caddy:2.11-alpine", False),
        ("caddy:2-alpine", False),
        ("caddy:3.0.0", False),
        ("caddy:alpine", False),
        ("caddy:20261130", False),
        ("registry.example:5000/caddy@sha256:" + "1" * 64, False),
        (Settings.model_fields["proxy_image"].default, False),
    ],
)
def test_an_older_caddy_is_known_by_its_tag(image: str, older: bool) -> None:
    assert forgets_failures(image) is older


def test_a_task_that_says_nothing_any_more_holds_no_request_but_the_polls_of_a_session() -> None:
    """Engine.io holds those for up to 25 s on purpose; everything else is asked of another task."""
    sessions, others = plan().caddyfile.split("reverse_proxy")[1:]
    assert sessions.startswith(" @session {")
    assert "path /socket.io/*\n\t\tquery sid=*" in plan().caddyfile
    assert "response_header_timeout" not in sessions
    assert "response_header_timeout 3s" in others
    for each in (sessions, others):
        assert "import tasks" in each
        assert "dial_timeout 500ms" in each
    assert "lb_retry_match method GET HEAD" in plan().caddyfile


def test_a_slow_health_check_ends_no_task_within_ten_seconds() -> None:
    """It starts a process; on a host that is short of processors that takes its time."""
    health = plan().health
    assert float(health.timeout.removesuffix("s")) >= 10
    assert health.retries >= 3


def test_the_next_task_waits_until_the_one_before_has_outlived_its_window() -> None:
    for stated in (1, 20):
        rollout = plan(socketWatchSeconds=stated).rollout
        assert rollout.parallelism == 1
        assert (rollout.delay, rollout.monitor) == (f"{stated}s", f"{stated}s")


def test_where_there_is_no_next_task_a_failure_is_judged_at_once() -> None:
    """While a task waits for the one before, Swarm reads of no failure."""
    rollout = plan(socketReplicas=1, socketWatchSeconds=7).rollout
    assert (rollout.delay, rollout.monitor) == ("0s", "7s")


@pytest.mark.parametrize("replicas", [1, 2, 7, 11, 100])
def test_a_rollout_of_any_size_fits_its_timeout_and_keeps_three_quarters_of_the_tasks(replicas: int) -> None:
    found = plan(socketReplicas=replicas, socketWatchSeconds=20)
    steps = math.ceil(replicas / found.rollout.parallelism)
    assert steps * (seconds(found.health.start_period) + seconds(found.rollout.delay)) < CONVERGE
    assert found.rollout.converge_timeout == f"{CONVERGE // 60}m0s"
    assert found.rollout.parallelism <= max(1, replicas / 4)


@pytest.mark.parametrize("make", [staging, production], ids=lambda make: make.__name__)
def test_swarm_takes_the_name_of_every_secret_and_config(make: Callable[..., StackFile]) -> None:
    """Of every row that may go to the server, and of the monitor's files; an overlap has the longest name."""
    file = monitored(with_release(make, socketFileSecrets=True))
    for row in MATRIX:
        if row.kind is not Class.PUBLIC:
            file.set_secret(row.key, f"a value of {row.key}")
    settings = file.settings()
    found, watched = socket_plan(settings), uptime_plan(settings)
    assert found
    assert watched
    names = [each.name for each in found.file_secrets] + [found.caddyfile_name]
    for service in watched.services:
        names += [each.name for each in service.configs] + [each.name for each in service.secrets]
    assert any("pepper-prev" in name for name in names)
    assert {name for name in names if len(name) > SWARM_NAME} == set()
    assert len(set(names)) == len(names)


def test_the_proxy_leaves_its_port_at_once() -> None:
    """Two cannot hold it, and a long poll would keep the old one there."""
    assert "grace_period 1s" in plan().caddyfile
    assert float(PROXY_STOP_GRACE.removesuffix("s")) < float(STOP_GRACE.removesuffix("s"))
