"""The monitor's plan: nothing without a host, configurations rendered, secrets apart, names by content."""

import re
from typing import Any

import pytest
import yaml

from plan.alerts import RULES
from plan.uptime import UptimePlan, uptime_plan
from plan.uptime.alertmanager import PAGE_REPEAT, alertmanager_yml
from plan.uptime.blackbox import PROBE_INTERVAL, PROBE_TIMEOUT, blackbox_yml
from plan.uptime.prometheus import SCRAPE_TIMEOUT, longest_silence, probes, prometheus_yml
from plan.uptime.services import ConfigFile, SecretFile, Service
from tests.builders import StackFile, monitored, production, staging

OPTIONAL = {
    "SUPABASE_METRICS_KEY": "sb_secret_of_the_metrics",
    "VERCEL_PROTECTION_BYPASS": "bypass-of-the-protection",
    "PAGERDUTY_KEY": "0123456789abcdef0123456789abcdef",
}


def full(file: StackFile, **changes: Any) -> StackFile:
    monitored(file, **changes)
    for key, value in OPTIONAL.items():
        file.set_secret(key, f"{value}-{file.stack}")
    return file


def plan(file: StackFile) -> UptimePlan:
    found = uptime_plan(file.settings())
    assert found is not None
    return found


def everything(found: UptimePlan) -> list[Service]:
    return [*found.services, *([found.agent.service] if found.agent else [])]


def configs(found: UptimePlan) -> list[ConfigFile]:
    return [config for service in everything(found) for config in service.configs]


def secrets(found: UptimePlan) -> list[SecretFile]:
    return [secret for service in everything(found) for secret in service.secrets]


def test_without_a_host_no_monitor_is_declared() -> None:
    assert uptime_plan(production().settings()) is None


def test_without_a_socket_server_there_is_no_agent_and_no_check_of_it() -> None:
    file = monitored(staging())
    file.config.update(socketRelease="", socketDigest="")
    assert plan(file).agent is None
    assert probes(file.settings()).keys() == {"web", "api"}


# --- secrets and names ---------------------------------------------------------------------------------


def test_no_secret_stands_in_a_config_a_name_an_argument_or_the_environment() -> None:
    file = full(production())
    found = plan(file)
    said = "".join(c.text + c.name for c in configs(found)) + "".join(s.name for s in secrets(found))
    said += "".join(repr(s.arguments) + repr(s.environment) for s in everything(found))
    assert len(file.secrets) > 8
    for key, value in file.secrets.items():
        assert value not in said, key


def test_a_config_is_named_by_its_text_and_a_secret_by_the_key_of_the_hmacs() -> None:
    once, again = plan(full(production())), plan(full(production()))
    assert [c.name for c in configs(once)] == [c.name for c in configs(again)]
    louder = plan(full(production(), apiProbePath="/health"))
    changed = {a.path for a, b in zip(configs(once), configs(louder), strict=True) if a.name != b.name}
    assert changed == {"/etc/prometheus/prometheus.yml"}
    password = full(production())
    password.set_secret("MONITOR_PASSWORD", "another-password-0123456789")
    renamed = {
        a.path for a, b in zip(secrets(once), secrets(plan(password)), strict=True) if a.name != b.name
    }
    assert {"/etc/caddy/Caddyfile", "/run/secrets/monitor-password"} <= renamed
    assert "/run/secrets/supabase-metrics-key" not in renamed


def test_a_service_tells_of_the_registrys_credentials_where_its_image_comes_from_there() -> None:
    """A rotated password must be written to each of them: Swarm pulls with what the last write brought."""
    private = "registry.example:5000"
    file = full(
        production(), registryUser="robot", socketImage=f"{private}/socket", prometheusImage=f"{private}/p:1"
    )
    file.set_secret("REGISTRY_PASSWORD", "the-robots-password")
    assert {service.role for service in everything(plan(file)) if service.login} == {"prometheus", "agent"}


def test_two_stacks_share_no_name() -> None:
    def names(found: UptimePlan) -> set[str]:
        services = everything(found)
        files = {c.name for c in configs(found)} | {s.name for s in secrets(found)}
        volumes = {s.volume for s in services if s.volume}
        return {found.network, *(s.name for s in services), *files, *volumes}

    ours, theirs = names(plan(full(staging()))), names(plan(full(production())))
    assert not ours & theirs
    assert all("staging" in name for name in ours)


def test_only_the_proxy_is_reached_from_outside_and_it_knows_one_password() -> None:
    found = plan(full(production()))
    assert [s.role for s in everything(found) if s.ports] == ["proxy"]
    [caddyfile] = [s.value for s in found.proxy.secrets]
    assert caddyfile.index("@known header Authorization") < caddyfile.index("reverse_proxy")
    assert caddyfile.rstrip().endswith("respond 401\n\t}\n}")
    assert "admin off" in caddyfile
    assert "grace_period 1s" in caddyfile  # else its port is taken until the last request has ended


@pytest.mark.parametrize(
    ("tls", "url"),
    [
        ("acme", "https://monitor-production.share-paint.app"),
        ("off", "http://monitor-production.share-paint.app"),
    ],
)
def test_the_agent_writes_where_people_look(tls: str, url: str) -> None:
    found = plan(full(production(), monitorTls=tls))
    assert found.url == url
    assert found.agent
    [config] = [c for c in found.agent.service.configs if c.path.endswith("prometheus.yml")]
    [remote] = yaml.safe_load(config.text)["remote_write"]
    assert remote["url"] == f"{url}/prometheus/api/v1/write"
    assert remote["basic_auth"]["password_file"] == found.agent.service.secrets[0].path


# --- probes --------------------------------------------------------------------------------------------


def test_a_probe_gives_up_before_its_scrape_and_its_scrape_before_the_next() -> None:
    assert PROBE_TIMEOUT < SCRAPE_TIMEOUT < PROBE_INTERVAL


def test_a_probe_says_who_asks_and_verifies_what_answers() -> None:
    for module in blackbox_yml(full(staging()).settings())["modules"].values():
        assert module["http"]["headers"]["User-Agent"] == "paintshare-uptime-check/1 (stack staging)"
        assert module["http"]["fail_if_not_ssl"]
        assert not module["http"]["follow_redirects"]
        assert not module["http"]["tls_config"]["insecure_skip_verify"]


@pytest.mark.parametrize(("tls", "socket"), [("acme", "public"), ("internal", "internal")])
def test_a_check_says_whose_certificate_it_sees(tls: str, socket: str) -> None:
    settings = monitored(production()).settings().model_copy(update={"socket_tls": tls})
    [probe, *_] = prometheus_yml(settings)["scrape_configs"]
    seen = {t["labels"]["check"]: t["labels"]["authority"] for t in probe["static_configs"]}
    assert seen == {"web": "public", "api": "public", "socket": socket}


def test_a_socket_server_without_tls_is_asked_without_and_the_site_never_is() -> None:
    settings = monitored(staging()).settings().model_copy(update={"socket_tls": "off"})
    assert probes(settings)["socket"].startswith("http://")
    modules = blackbox_yml(settings)["modules"]
    assert {name: module["http"]["fail_if_not_ssl"] for name, module in modules.items()} == {
        "web": True,
        "unheard": True,
        "socket": False,
    }


def test_the_bypass_of_vercels_protection_is_told_to_vercel_alone() -> None:
    modules = blackbox_yml(full(staging()).settings())["modules"]
    assert "x-vercel-protection-bypass" in modules["web"]["http"]["headers"]
    assert "x-vercel-protection-bypass" not in modules["socket"]["http"]["headers"]
    plain = blackbox_yml(monitored(staging()).settings())["modules"]
    assert "x-vercel-protection-bypass" not in plain["web"]["http"]["headers"]
    [probe] = [
        j for j in prometheus_yml(full(staging()).settings())["scrape_configs"] if j["job_name"] == "probe"
    ]
    used = {t["labels"]["check"]: t["labels"]["__param_module"] for t in probe["static_configs"]}
    assert used == {"web": "web", "api": "web", "socket": "socket"}
    jobs = {job["job_name"]: job for job in prometheus_yml(full(staging()).settings())["scrape_configs"]}
    again = [t["labels"] for t in jobs["unheard"]["static_configs"]]
    assert [(one["check"], one["__param_module"]) for one in again] == [
        ("web", "unheard"),
        ("api", "unheard"),
    ]


def test_an_app_without_a_health_endpoint_has_one_check_less() -> None:
    assert "api" not in probes(monitored(staging(), apiProbePath="").settings())


def test_a_teams_own_authority_is_trusted_by_the_probes_and_the_agent() -> None:
    found = plan(full(production(), monitorCa="-----BEGIN CERTIFICATE-----"))
    assert found.agent
    for service in (found.blackbox, found.agent.service):
        [authority] = [c for c in service.configs if c.path.endswith("ca.crt")]
        assert dict(service.environment)["SSL_CERT_DIR"] == authority.path.rsplit("/", 1)[0]


# --- time and channels ---------------------------------------------------------------------------------


def test_the_page_of_an_outage_comes_soon_after_the_policys_two_minutes() -> None:
    """Plan §4.2: downtime over 2 minutes. The rest is a probe, an evaluation and a short wait."""
    rest = {rule.name: longest_silence(rule) - 120 for rule in RULES if rule.outage}
    assert all(seconds <= 45 for seconds in rest.values()), rest


def test_p2_has_somewhere_to_go_whatever_the_channels_are() -> None:
    file = monitored(staging())
    for key in ("DISCORD_WEBHOOK_URL", "SLACK_WEBHOOK_URL"):
        file.drop_secret(key)
    file.set_secret("PAGERDUTY_KEY", "0" * 32)
    receivers = {r["name"]: r for r in alertmanager_yml(file.settings())["receivers"]}
    assert "pagerduty_configs" in receivers["notify"]


def test_a_page_repeats_and_history_outlives_the_longest_window() -> None:
    route = alertmanager_yml(full(production()).settings())["route"]
    assert route["repeat_interval"] == PAGE_REPEAT == "30m"
    pages = [each for each in route["routes"] if each["receiver"] == "page"]
    assert pages
    assert all("repeat_interval" not in each for each in pages)  # it is the route's
    prometheus = plan(full(production(), monitorRetention="10w")).prometheus
    assert "--storage.tsdb.retention.time=10w" in prometheus.arguments


def test_resolved_messages_are_on_for_every_channel_but_the_watchdog() -> None:
    for receiver in alertmanager_yml(full(production()).settings())["receivers"]:
        for kind, channels in receiver.items():
            if kind.endswith("_configs"):
                assert [c["send_resolved"] for c in channels] == [kind != "webhook_configs"]


def test_supabase_is_asked_once_a_minute_with_a_password_from_a_file() -> None:
    jobs = {j["job_name"]: j for j in prometheus_yml(full(production()).settings())["scrape_configs"]}
    assert jobs["supabase"]["scrape_interval"] == "60s"
    assert re.fullmatch(r"\w+\.supabase\.co", jobs["supabase"]["static_configs"][0]["targets"][0])
    assert "supabase" not in {
        j["job_name"] for j in prometheus_yml(monitored(production()).settings())["scrape_configs"]
    }
