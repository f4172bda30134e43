"""UptimeChecks and ScrapeAgent under mocks: what is declared on which host, and that no secret shows."""

import base64
from dataclasses import replace

import pytest

from plan import alerts
from plan.uptime import UptimePlan, uptime_plan
from tests.builders import StackFile, monitored, production, staging
from tests.components import declare
from tests.components.recording import Declared, Recorded

SERVICES = {"uptime-prometheus", "uptime-alertmanager", "uptime-blackbox", "uptime-proxy"}


def plan(file: StackFile) -> UptimePlan:
    found = uptime_plan(file.settings())
    assert found is not None
    return found


def text(file: Declared) -> str:
    return base64.b64decode(file.inputs["data"]).decode()


@pytest.fixture(scope="module")
def uptime() -> Recorded:
    return declare.uptime(monitored(production()))


@pytest.fixture(scope="module")
def agent() -> Recorded:
    return declare.agent(monitored(production()))


def test_nothing_is_declared_without_a_monitoring_host() -> None:
    assert declare.uptime(production()).children() == []
    assert declare.agent(production()).children() == []


def test_the_agent_waits_for_a_socket_server() -> None:
    assert declare.agent(monitored(production()), network_id=None).children() == []
    unreleased = monitored(production())
    unreleased.config.update(socketRelease="", socketDigest="")
    assert declare.agent(unreleased).children() == []


def test_every_child_stands_below_its_component_under_its_name(uptime: Recorded, agent: Recorded) -> None:
    for recorded, name in ((uptime, "uptime"), (agent, "agent")):
        assert recorded.children()
        for child in recorded.children():
            assert child.parent == name
            assert child.name.startswith(f"{name}-")


def test_the_monitor_stands_on_its_own_host_and_the_agent_beside_the_socket_server(
    uptime: Recorded, agent: Recorded
) -> None:
    assert {r.provider for r in uptime.children()} == {"on-monitor-host"}
    assert {r.provider for r in agent.children()} == {"on-socket-host"}
    assert {r.name for r in uptime.of("Service")} == SERVICES
    assert agent.one("Service").inputs["taskSpec"]["networksAdvanceds"] == [{"id": "network"}]
    assert agent.of("Network") == []


def test_the_agent_ends_by_itself_within_its_grace_although_the_monitor_is_away(agent: Recorded) -> None:
    container = agent.one("Service").inputs["taskSpec"]["containerSpec"]
    [deadline] = [a.partition("=")[2] for a in container["args"] if "flush-deadline" in a]
    assert 0 < int(deadline.removesuffix("s")) < int(container["stopGracePeriod"].removesuffix("s"))


def test_every_task_is_limited_read_only_and_has_no_capability_but_what_starts_caddy(
    uptime: Recorded, agent: Recorded
) -> None:
    for service in [*uptime.of("Service"), *agent.of("Service")]:
        spec = service.inputs["taskSpec"]
        assert spec["containerSpec"]["readOnly"] is True, service.name
        assert spec["containerSpec"]["capDrops"] == ["ALL"], service.name
        needed = ["CAP_NET_BIND_SERVICE"] if service.name == "uptime-proxy" else None
        assert spec["containerSpec"].get("capAdds") == needed, service.name
        assert spec["resources"]["limits"]["memoryBytes"] >= 128 * 1024 * 1024, service.name
        assert spec["resources"]["limits"]["nanoCpus"], service.name
        assert spec["logDriver"]["options"]["max-size"], service.name


def test_an_update_ends_the_old_task_first_and_goes_back_when_the_new_one_is_not_ready(
    uptime: Recorded, agent: Recorded
) -> None:
    for service in [*uptime.of("Service"), *agent.of("Service")]:
        assert service.inputs["updateConfig"]["order"] == "stop-first", service.name
        assert service.inputs["updateConfig"]["failureAction"] == "rollback", service.name
        assert service.inputs["convergeConfig"], service.name
    gated = {s.name for s in uptime.of("Service") if s.inputs["taskSpec"]["containerSpec"]["healthcheck"]}
    assert gated == SERVICES - {"uptime-proxy"}


def test_the_proxy_alone_publishes_ports(uptime: Recorded, agent: Recorded) -> None:
    published = {
        s.name: s.inputs["endpointSpec"]["ports"]
        for s in uptime.of("Service")
        if s.inputs["endpointSpec"]["ports"]
    }
    assert set(published) == {"uptime-proxy"}
    assert {(p["publishedPort"], p["publishMode"]) for p in published["uptime-proxy"]} == {
        (80, "host"), (443, "host"),
    }  # fmt: skip
    assert not agent.one("Service").inputs["endpointSpec"]["ports"]


def test_history_silences_and_certificates_outlive_the_stack_and_nothing_else_does(uptime: Recorded) -> None:
    kept = {r.name: r.inputs["name"] for r in uptime.children() if r.retained}
    assert {name.removeprefix("uptime-").removesuffix("-volume") for name in kept} == {
        "prometheus", "alertmanager", "proxy",
    }  # fmt: skip
    mounted = {
        mount["source"]
        for service in uptime.of("Service")
        for mount in service.inputs["taskSpec"]["containerSpec"]["mounts"] or []
        if mount["type"] == "volume"
    }
    assert mounted == set(kept.values())


def test_what_holds_a_secret_is_a_swarm_secret_and_everything_else_readable_in_a_preview() -> None:
    file = monitored(production())
    for recorded in (declare.uptime(file), declare.agent(file)):
        assert recorded.of("Secret")
        assert recorded.of("ServiceConfig")
        assert all(r.secrets == {"data"} for r in recorded.of("Secret"))
        assert all(r.secrets == frozenset() for r in recorded.children() if r.kind != "Secret")
        for child in recorded.children():
            shown = f"{child.name} { {k: v for k, v in child.inputs.items() if k not in child.secrets} }"
            if child.kind == "ServiceConfig":
                shown += text(child)
            assert not any(value in shown for value in file.secrets.values()), child.name


def test_every_rendered_file_is_mounted_where_its_service_reads_it() -> None:
    file = monitored(production())
    uptime = declare.uptime(file)
    for service in plan(file).services:
        container = uptime.named(f"uptime-{service.role}").inputs["taskSpec"]["containerSpec"]
        assert {f["fileName"]: f["configName"] for f in container["configs"] or []} == {
            f.path: f.name for f in service.configs
        }
        assert {f["fileName"]: f["secretName"] for f in container["secrets"] or []} == {
            f.path: f.name for f in service.secrets
        }
        assert (container["args"] or []) == list(service.arguments)


def test_a_changed_threshold_renews_one_config_and_updates_one_service(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = monitored(production())
    before = {r.name: r for r in declare.uptime(file).children()}
    rows = tuple(
        replace(rule, threshold=rule.threshold + 1) if rule.name == "CertificateExpiry" else rule
        for rule in alerts.RULES
    )
    monkeypatch.setattr(alerts, "RULES", rows)
    after = {r.name: r for r in declare.uptime(file).children()}
    assert [before[name].kind for name in before.keys() - after.keys()] == ["ServiceConfig"]
    assert [after[name].kind for name in after.keys() - before.keys()] == ["ServiceConfig"]
    changed = [name for name in before.keys() & after.keys() if before[name].inputs != after[name].inputs]
    assert changed == ["uptime-prometheus"]


def test_two_stacks_share_no_physical_name() -> None:
    names = [
        {
            r.inputs["name"]
            for recorded in (declare.uptime, declare.agent)
            for r in recorded(monitored(make())).children()
        }
        for make in (staging, production)
    ]
    assert names[0]
    assert not names[0] & names[1]
