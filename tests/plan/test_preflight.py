"""Preflight: each mistake of a stack file is named with the command that mends it, all of them at once."""

import re
import shlex
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pulumi
import pytest
import typer
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from operations.__main__ import app as operations
from plan import preflight
from plan.config import KNOWN_KEYS, parse
from plan.fingerprints import key_fingerprint
from plan.problems import Problem
from plan.settings import PLACEHOLDER
from plan.text import LINES
from plan.variables import secret_keys
from plan.web import VARIABLES_LIMIT
from rehearsal import demo
from rehearsal.stack_files import supabase_jwt
from tests.builders import (
    DEFAULTS,
    TODAY,
    StackFile,
    as_text,
    committed,
    production,
    stack_file,
    staging,
)

WIDTH = 100

# --- every fix can be typed as it stands -------------------------------------------------------------

VERBS = typer.main.get_command(operations)


def assert_well_formed(problem: Problem, stack: str) -> None:
    """`pulumi config` on a known key, or an existing verb of `operations` with arguments it takes."""
    commands = [shlex.split(command) for command in problem.fix.split(" && ")]
    for words in commands:
        assert_command(problem, words, stack)


def assert_command(problem: Problem, words: list[str], stack: str) -> None:
    from_file = words[-2] == "<"
    if from_file:
        assert words[-1].endswith((".pem", ".crt"))
        words = words[:-2]
    if words[0] == "unset":
        assert words[1:] == [problem.key]
        return
    if words[:3] == ["python", "-m", "operations"]:
        assert isinstance(VERBS, typer.core.TyperGroup)
        verb = VERBS.commands[words[3]]
        context = verb.make_context(words[3], words[4:], resilient_parsing=False)
        assert context.params["stack"] == stack
        keys = [context.params.get("key"), *(context.params.get("keys") or ())]
        assert {key for key in keys if key} <= secret_keys() | {"fingerprintKey"}
        return
    assert words[:2] == ["pulumi", "config"], problem.fix
    assert words[-2:] == ["--stack", stack]
    verb_word, arguments = words[2], words[3:-2]
    path, typed = arguments[0] == "--path", arguments[-2:-1] == ["--type"]
    key, *value = arguments[path : -2 if typed else None]
    assert typed == (path and verb_word == "set"), "else the engine guesses the type of a part"
    assert len(value) == (1 if verb_word == "set" and not from_file else 0), problem.fix
    assert verb_word in ("set", "rm")
    top = re.split(r"[.\[]", key)[0]
    assert path == (top != key or '"' in key)
    if verb_word == "set" or top != problem.key:
        assert top in KNOWN_KEYS
        assert top not in secret_keys() | {"fingerprintKey"}  # a secret is never typed into a command


def problems_of(file: StackFile, *siblings: StackFile) -> list[Problem]:
    report = file.check(*siblings)
    for problem in report.problems:
        assert_well_formed(problem, file.stack)
    return list(report.problems)


# --- one mistake at a time ---------------------------------------------------------------------------


def secret(key: str, value: str) -> Callable[[StackFile], None]:
    return lambda file: file.set_secret(key, value)


def config(**changes: Any) -> Callable[[StackFile], None]:
    return lambda file: file.config.update(changes)


def without(key: str) -> Callable[[StackFile], None]:
    return lambda file: file.drop_secret(key) if key in file.secrets else file.config.__setitem__(key, "")


def in_the_clear(key: str) -> Callable[[StackFile], None]:
    def change(file: StackFile) -> None:
        # By `pulumi config set` without --secret; a stamp would bless a value that everybody could read.
        file.config[key] = file.secrets.pop(key)
        file.config["rotation"].pop(key, None)

    return change


def changed_by_hand(file: StackFile) -> None:
    file.secrets["SENTRY_DSN"] = "https://set-without-its-date"


def undated(file: StackFile) -> None:
    del file.config["rotation"]["SENTRY_DSN"]


def misdated(file: StackFile) -> None:
    file.config["rotation"]["SENTRY_DSN"]["date"] = "2.3.2026"


def not_yet(file: StackFile) -> None:
    file.config["rotation"]["SENTRY_DSN"]["date"] = (TODAY + timedelta(days=2)).isoformat()


def unmarked(file: StackFile) -> None:
    del file.config["rotation"]["fingerprintKey"]


def foreign_record(file: StackFile) -> None:
    file.config["rotation"]["webDomain"] = {"date": "2026-01-01", "hmac": "0" * 32}


Change = Callable[[StackFile], None]
PEPPER = "BATTLE_PASSWORD_PEPPER"
ANON = "NEXT_PUBLIC_SUPABASE_ANON_KEY"
SERVICE = "SUPABASE_SERVICE_ROLE_KEY"
OWN = f"PREVIEW_{SERVICE}"
STG, PRD = demo.SUPABASE_REF["staging"], demo.SUPABASE_REF["production"]

DIGEST = f"sha256:{'1' * 64}"
SOCKET = {
    "socketRelease": demo.RELEASES[1], "socketDigest": DIGEST,
    "previousSocketRelease": demo.RELEASES[0], "previousSocketDigest": f"sha256:{'0' * 64}",
}  # fmt: skip


def monitored(**changes: Any) -> Callable[[StackFile], None]:
    """A stack with a monitor, without fault but for `changes`; None takes a key or secret away."""

    def change(file: StackFile) -> None:
        file.config.update(monitorHost="ssh://ops@monitor.example", monitorDomain="monitor.example")
        file.set_secret("MONITOR_PASSWORD", f"of-{file.stack}")
        file.set_secret("WATCHDOG_URL", f"https://watchdog.example/{file.stack}")
        for key, value in changes.items():
            if value is None:
                without(key)(file)
            else:
                file.config[key] = value

    return change


CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n"
TCP = "tcp://docker.example:2376"


def over_tls(**changes: str) -> Callable[[StackFile], None]:
    """A socket host over TLS with all it takes, but for the changes; "" leaves a part out."""
    parts = {"socketHost": TCP, "socketHostCa": CERTIFICATE, "socketHostCertificate": CERTIFICATE}

    def change(file: StackFile) -> None:
        file.config |= {k: v for k, v in {**parts, **changes}.items() if k != "SOCKET_HOST_KEY"}
        if key := changes.get("SOCKET_HOST_KEY", KEY):
            file.set_secret("SOCKET_HOST_KEY", key)

    return change


def with_login(**changes: str) -> Callable[[StackFile], None]:
    """A private registry."""

    def change(file: StackFile) -> None:
        file.config |= {"socketImage": "registry.example/socket", "registryUser": "robot", **changes}
        file.set_secret("REGISTRY_PASSWORD", "the-robots-password")

    return change


def without_password(file: StackFile) -> None:
    with_login()(file)
    file.drop_secret("REGISTRY_PASSWORD")


def monitored_production() -> StackFile:
    """With every part that a stack may have."""
    file = production(**SOCKET)
    monitored()(file)
    return file


# mistake -> (change, key that is named, words of the text, words of the fix)
Mistake = tuple[Change, str, str, str]
# fmt: off
OF_STAGING: dict[str, Mistake] = {
    "a missing domain": (
        without("webDomain"), "webDomain", "is missing", "config set webDomain",
    ),
    "a missing team": (
        without("vercelTeam"), "vercelTeam", "is missing", "config set vercelTeam",
    ),
    "a missing environment": (
        without("environment"), "environment", "is missing", "config set environment",
    ),
    "a missing secret": (
        without(PEPPER), PEPPER, "is missing (secret; vercel, socket host)", f"operations set {PEPPER}",
    ),
    "a missing public value": (
        without(ANON), ANON, "is missing (public; vercel)", f"config set {ANON}",
    ),
    "no way to page": (
        without("SLACK_WEBHOOK_URL"), "SLACK_WEBHOOK_URL or PAGERDUTY_KEY", "one of them",
        "operations set SLACK_WEBHOOK_URL",
    ),
    "a missing fingerprint key": (
        without("fingerprintKey"), "fingerprintKey", "is missing", "operations set fingerprintKey",
    ),
    "a placeholder": (
        config(socketHost="REPLACE_ME-docker-host"), "socketHost", "placeholder",
        "config set socketHost VALUE",
    ),
    "a placeholder of Pulumi.yaml": (
        config(githubOwner="REPLACE_ME-owner"), "githubOwner", "where one value serves all stacks",
        "config set githubOwner VALUE",
    ),
    "a placeholder in a public value": (
        config(NEXT_PUBLIC_SENTRY_DSN="REPLACE_ME-dsn"), "NEXT_PUBLIC_SENTRY_DSN", "of the committed file",
        "config set NEXT_PUBLIC_SENTRY_DSN VALUE",
    ),
    "an unknown key": (
        config(webDomian="x.example"), "webDomian", "no key of this program", "config rm webDomian",
    ),
    "a wrong type": (
        config(waitMinutes="soon"), "waitMinutes", "valid integer", "config set waitMinutes",
    ),
    "a secret in the clear": (
        in_the_clear(PEPPER), PEPPER, "stands in the clear", f"operations set {PEPPER}",
    ),
    "the fingerprint key in the clear": (
        in_the_clear("fingerprintKey"), "fingerprintKey", "stands in the clear",
        "operations set fingerprintKey",
    ),
    "a service-role JWT for browsers": (
        config(**{ANON: supabase_jwt("service_role", STG)}), ANON, "everybody could read it",
        f"config set {ANON}",
    ),
    "a secret key for browsers": (
        config(**{ANON: "sb_secret_abc"}), ANON, "everybody could read it", f"config set {ANON}",
    ),
    "a server key in another public value": (
        config(NEXT_PUBLIC_SENTRY_DSN="sb_secret_abc"), "NEXT_PUBLIC_SENTRY_DSN", "everybody could read it",
        "config set NEXT_PUBLIC_SENTRY_DSN",
    ),
    "a browser key of another project": (
        config(**{ANON: supabase_jwt("anon", PRD)}), ANON, f"belongs to Supabase project {PRD}",
        f"config set {ANON}",
    ),
    "a server key of another project": (
        secret(SERVICE, supabase_jwt("service_role", PRD)), SERVICE, f"belongs to Supabase project {PRD}",
        f"operations set {SERVICE}",
    ),
    "a browser key for servers": (
        secret(SERVICE, "sb_publishable_x"), SERVICE, "servers need the secret one",
        f"operations set {SERVICE}",
    ),
    "a value changed without its date": (
        changed_by_hand, "SENTRY_DSN", "changed without its date", "operations stamp SENTRY_DSN",
    ),
    "a value set without a record": (
        undated, "SENTRY_DSN", "without the date", "operations stamp SENTRY_DSN",
    ),
    "a date that is none": (
        misdated, "SENTRY_DSN", "not YYYY-MM-DD", "operations stamp SENTRY_DSN",
    ),
    "a date that is still to come": (
        not_yet, "SENTRY_DSN", "would never be due", "operations stamp SENTRY_DSN",
    ),
    "a key of the HMACs without its mark": (
        unmarked, "fingerprintKey", "without the record by which two stacks see", "stamp fingerprintKey",
    ),
    "more variables than Vercel takes": (
        lambda f: f.set_secret("SENTRY_DSN", "x" * VARIABLES_LIMIT), "SENTRY_DSN",
        "Vercel takes 65,536 bytes", "operations set SENTRY_DSN",
    ),
    "a record of no secret": (
        foreign_record, "rotation.webDomain", "no secret of the matrix",
        "config rm --path rotation.webDomain",
    ),
    "a short fingerprint key": (
        lambda f: f.secrets.update(fingerprintKey="short"), "fingerprintKey", "shorter than 32",
        "operations set fingerprintKey",
    ),
    "production's Supabase in Preview": (
        config(supabaseRef=PRD), "supabaseRef", "Preview and staging would share it",
        "config set supabaseRef",
    ),
    "production's key in Preview": (
        secret(OWN, supabase_jwt("service_role", PRD)), OWN, f"belongs to Supabase project {PRD}",
        f"operations set {OWN}",
    ),
    "staging's key in Preview": (
        lambda f: f.set_secret(OWN, f.secrets[SERVICE]), OWN, f"equals {SERVICE}", f"operations set {OWN}",
    ),
    "a legacy key in Preview": (
        secret(OWN, supabase_jwt("service_role", STG)), OWN, "cannot be revoked on its own",
        f"operations set {OWN}",
    ),
    "a domain with a scheme": (
        config(webDomain="https://share-paint.app"), "webDomain", "is no domain",
        "config set webDomain DOMAIN",
    ),
    "a domain in capitals": (
        config(socketDomain="Socket.example"), "socketDomain", "is no domain",
        "config set socketDomain DOMAIN",
    ),
    "a domain with a port": (
        config(socketDomain="s.example:8443"), "socketDomain", "is no domain",
        "config set socketDomain DOMAIN",
    ),
    "a domain without a dot": (
        config(webDomain="localhost"), "webDomain", "is no domain", "config set webDomain DOMAIN",
    ),
    "a host that is none": (
        config(socketHost="my-server"), "socketHost", "is no Docker host", "config set socketHost",
    ),
    "one port for both": (
        config(socketHttpPort=8444), "socketHttpsPort", "equals socketHttpPort",
        "config set socketHttpsPort PORT",
    ),
    "a port of the other stack": (
        config(socketHttpsPort=8443), "socketHttpsPort", "taken by stack `production` (socketHttpsPort)",
        "config set socketHttpsPort PORT",
    ),
    "a port of the other stack crosswise": (
        config(socketHttpPort=8443), "socketHttpPort", "taken by stack `production` (socketHttpsPort)",
        "config set socketHttpPort PORT",
    ),
    "a release on staging": (
        config(release=demo.RELEASES[0]), "release", "pins production only", "config rm release",
    ),
    "a socket release that is no SHA": (
        config(socketRelease="v1", socketDigest=DIGEST), "socketRelease", "no full git SHA",
        "config set socketRelease SHA",
    ),
    "a socket release without its digest": (
        config(socketRelease=demo.RELEASES[0]), "socketDigest", "with a socketRelease",
        "config set socketDigest sha256:DIGEST",
    ),
    "a socket digest without its release": (
        config(socketDigest=DIGEST), "socketDigest", "empty without one", "config rm socketDigest",
    ),
    "the socket server's N-1 as no SHA": (
        config(**SOCKET | {"previousSocketRelease": "abc"}), "previousSocketRelease", "no full git SHA",
        "config set previousSocketRelease SHA",
    ),
    "the socket server's N-1 without its digest": (
        config(**SOCKET | {"previousSocketDigest": ""}), "previousSocketDigest",
        "with a previousSocketRelease", "config set previousSocketDigest sha256:DIGEST",
    ),
    "the socket server's N-1 without a release": (
        config(**SOCKET | {"socketRelease": "", "socketDigest": ""}), "previousSocketRelease",
        "without socketRelease", "config set socketRelease SHA",
    ),
    "the socket server's N-1 equal to its release": (
        config(**SOCKET | {"previousSocketRelease": demo.RELEASES[1]}), "previousSocketRelease",
        "equals socketRelease", "config set previousSocketRelease",
    ),
    "a Docker port without an authority": (
        over_tls(socketHostCa=""), "socketHostCa", "root for everybody", "socketHostCa --stack staging <",
    ),
    "a Docker port without a client certificate": (
        over_tls(socketHostCertificate=""), "socketHostCertificate", "root for everybody",
        "config set socketHostCertificate",
    ),
    "a Docker port without a client key": (
        over_tls(SOCKET_HOST_KEY=""), "SOCKET_HOST_KEY", "root for everybody",
        "operations set SOCKET_HOST_KEY --stack staging < FILE.pem",
    ),
    "half of TLS on loopback": (
        over_tls(socketHost="tcp://127.0.0.1:2376", socketHostCa=""), "socketHostCa", "is missing",
        "config set socketHostCa",
    ),
    "an authority that is a file's name": (
        over_tls(socketHostCa="/etc/docker/ca.pem"), "socketHostCa", "no PEM text", "config set socketHostCa",
    ),
    "a key where the certificate belongs": (
        over_tls(socketHostCertificate=CERTIFICATE + KEY), "socketHostCertificate",
        "holds a private key", "config set socketHostCertificate",
    ),
    "a certificate where the key belongs": (
        over_tls(SOCKET_HOST_KEY=CERTIFICATE), "SOCKET_HOST_KEY", "no PEM text",
        "operations set SOCKET_HOST_KEY",
    ),
    "a key with a passphrase": (
        over_tls(SOCKET_HOST_KEY=KEY.replace("PRIVATE", "ENCRYPTED PRIVATE")), "SOCKET_HOST_KEY",
        "with a passphrase", "operations set SOCKET_HOST_KEY",
    ),
    "an open Docker port of the monitor": (
        monitored(monitorHost=TCP, monitorHostCa=CERTIFICATE, monitorHostCertificate=CERTIFICATE),
        "MONITOR_HOST_KEY", "root for everybody", "operations set MONITOR_HOST_KEY",
    ),
    "a registry's user without a password": (
        without_password, "REGISTRY_PASSWORD", "missing for the registryUser",
        "operations set REGISTRY_PASSWORD",
    ),
    "a registry's password without a user": (
        with_login(registryUser=""), "registryUser", "is missing", "config set registryUser USER",
    ),
    "credentials for no registry": (
        with_login(socketImage="paintshare/socket"), "socketImage", "names no registry",
        "config set socketImage docker.io/",
    ),
    "the socket server's image in capitals": (
        config(socketImage="ghcr.io/PaintShare/socket"), "socketImage", "capitals in its path",
        "config set socketImage ghcr.io/paintshare/socket --stack",
    ),
    "the socket server's image by a tag": (
        with_login(socketImage="ghcr.io/paintshare/socket:latest"), "socketImage", "a tag or digest",
        "config set socketImage ghcr.io/paintshare/socket --stack",
    ),
    "the socket server's image by no name": (
        with_login(socketImage=""), "socketImage", "no name", "config set socketImage HOST/PATH",
    ),
    "the proxy's image by its address": (
        config(proxyImage="https://caddy:2.10.2"), "proxyImage", "a scheme",
        "config set proxyImage caddy:2.10.2 --stack",
    ),
    "a monitor's image that may be another tomorrow": (
        config(prometheusImage="prom/prometheus"), "prometheusImage", "neither tag nor digest",
        "config set prometheusImage prom/prometheus:TAG",
    ),
    "a monitor's image with half a digest": (
        config(alertmanagerImage="prom/alertmanager@sha256:12"), "alertmanagerImage", "a digest that is not",
        "config set alertmanagerImage prom/alertmanager@sha256:DIGEST",
    ),
    "a monitor's image with a malformed tag": (
        config(blackboxImage="prom/blackbox-exporter:v:1"), "blackboxImage", "a malformed tag",
        "config set blackboxImage prom/blackbox-exporter:TAG",
    ),
    "a secret on two lines": (
        secret("SENTRY_DSN", "https://one\nhttps://two"), "SENTRY_DSN", "more than one line",
        "operations set SENTRY_DSN",
    ),
    "a blank text": (
        config(branch=" "), "branch", "is blank", "config set branch VALUE",
    ),
    "a webhook without its scheme": (
        secret("SLACK_WEBHOOK_URL", "hooks.slack.com/services/T1/B1/x"), "SLACK_WEBHOOK_URL", "is no URL",
        "operations set SLACK_WEBHOOK_URL",
    ),
    "a webhook of another product": (
        secret("DISCORD_WEBHOOK_URL", "https://hooks.slack.com/services/T1/B1/x"), "DISCORD_WEBHOOK_URL",
        "no address of Discord's", "operations set DISCORD_WEBHOOK_URL",
    ),
    "a bare token for a webhook": (
        secret("WATCHDOG_URL", "2f6e8a4c"), "WATCHDOG_URL", "is no URL", "operations set WATCHDOG_URL",
    ),
    "an address for PagerDuty's key": (
        secret("PAGERDUTY_KEY", "https://events.pagerduty.com"), "PAGERDUTY_KEY", "no integration key",
        "operations set PAGERDUTY_KEY",
    ),
    "PagerDuty without its scheme": (
        config(pagerdutyUrl="events.eu.pagerduty.com/v2/enqueue"), "pagerdutyUrl", "is no URL",
        "config set pagerdutyUrl https://events.pagerduty.com/v2/enqueue",
    ),
    "PagerDuty at no address": (
        config(pagerdutyUrl=""), "pagerdutyUrl", "is no URL", "config set pagerdutyUrl https://",
    ),
    "Vercel's alerts to the name of a channel": (
        config(vercelSlackChannel="#ops"), "vercelSlackChannel", "no id of a channel",
        "config set vercelSlackChannel ID",
    ),
    "a probe of a path with a space": (
        monitored(apiProbePath="/api/health check"), "apiProbePath", "holds no space",
        "config set apiProbePath /PATH",
    ),
    "a certificate of nobody": (
        monitored(monitorCa="root.crt"), "monitorCa", "no PEM text", "config set monitorCa",
    ),
    "a plan without rulesets": (
        config(githubPlan="free", infraRepositoryVisibility="private"), "githubPlan",
        "no environments and no rulesets", "share-paint-infra",
    ),
    "a team by its slug": (
        config(vercelTeam="paintshare-demo"), "vercelTeam", "canonical id", "config set vercelTeam",
    ),
    "a reserved environment": (
        config(environment="preview"), "environment", "reserved", "config set environment NAME",
    ),
    "Vercel's environment under another target": (
        config(environment="production"), "environment", "reserved", "config set environment NAME",
    ),
    "an environment in capitals": (
        config(environment="Staging"), "environment", "reserved or not in lower case",
        "config set environment NAME",
    ),
    "the project owned twice": (
        config(vercelProject={"gitLfs": True}), "vercelProject", "owned by stack `production`",
        "config rm vercelProject",
    ),
    "the alerts of the project owned twice": (
        config(vercelAlerts=True, vercelSlackChannel="C01"), "vercelAlerts", "owned by stack `production`",
        "config rm vercelAlerts",
    ),
    "a monitor that forgets within the longest window": (
        config(monitorRetention="2d"), "monitorRetention", "", "config set monitorRetention",
    ),
    "the other stack's branch": (
        config(branch="main"), "branch", "in stack `production` too", "config set branch",
    ),
    "the other stack's domain": (
        config(webDomain="share-paint.app"), "webDomain", "in stack `production` too",
        "config set webDomain",
    ),
    "a monitor without a password": (
        monitored(MONITOR_PASSWORD=None), "MONITOR_PASSWORD", "would be open",
        "operations set MONITOR_PASSWORD --stack staging --generate",
    ),
    "a monitor without a domain": (
        monitored(monitorDomain=None), "monitorDomain", "is missing", "config set monitorDomain",
    ),
    "a monitor at the socket server's domain": (
        monitored(monitorDomain="socket-staging.share-paint.app"), "monitorDomain", "another domain of this",
        "config set monitorDomain DOMAIN",
    ),
    "a host that watches itself": (
        monitored(socketHost="ssh://ops@monitor.example", socketHttpPort=81, socketHttpsPort=444),
        "monitorHost", "does not watch itself", "config set monitorHost ssh://USER@HOST",
    ),
    "a monitoring host that is no address": (
        monitored(monitorHost="monitor.example"), "monitorHost", "no Docker host",
        "config set monitorHost ssh://USER@HOST",
    ),
    "a monitor with one port for both": (
        monitored(monitorHttpPort=443), "monitorHttpsPort", "equals monitorHttpPort",
        "config set monitorHttpsPort PORT",
    ),
    "a monitor on a port of the other stack": (
        monitored(monitorHost="unix:///run/rehearsal.sock", socketHost="ssh://ops@other.example",
                  monitorHttpPort=8080), "monitorHttpPort", "taken by stack `production` (socketHttpPort)",
        "config set monitorHttpPort PORT",
    ),
    "a probe of no path": (
        monitored(webProbePath="draw"), "webProbePath", "no path", "config set webProbePath /PATH",
    ),
    "probes of certificates nobody knows": (
        monitored(monitorTls="internal"), "monitorCa", "would refuse those",
        "config set monitorCa --stack staging < root.crt",
    ),
    "accounts not compared": (
        config(adoptedOn=""), "adoptedOn", "not compared yet", "operations adopt",
    ),
}
OF_PRODUCTION: dict[str, Mistake] = {
    "one channel for production's alerts": (
        without("DISCORD_WEBHOOK_URL"), "DISCORD_WEBHOOK_URL", "observability gap",
        "operations set DISCORD_WEBHOOK_URL",
    ),
    "a placeholder in a list": (
        config(reviewers=[{"user": "REPLACE_ME-x"}]), "reviewers[0].user", "of the committed file",
        "--path 'reviewers[0].user'",
    ),
    "a wrong type nested": (
        config(reviewers=[{"user": "a", "id": "x"}]), "reviewers", "at reviewers[0].id",
        "--path 'reviewers[0].id'",
    ),
    "staging's Supabase in production": (
        config(supabaseRef=STG), "supabaseRef", "production would share it", "config set supabaseRef",
    ),
    "a Preview key without Preview": (
        secret("PREVIEW_SENTRY_DSN", "x"), "PREVIEW_SENTRY_DSN", "does not own Preview",
        "config rm PREVIEW_SENTRY_DSN",
    ),
    "a bad redirect": (
        config(redirectDomains=["www.share-paint.app", "x/y"]), "redirectDomains[1]", "is no domain",
        "--path 'redirectDomains[1]' DOMAIN",
    ),
    "a redirect to itself": (
        config(redirectDomains=["share-paint.app"]), "redirectDomains", "twice",
        "--path 'redirectDomains[0]'",
    ),
    "a redirect twice": (
        config(redirectDomains=["a.example", "a.example"]), "redirectDomains", "twice",
        "--path 'redirectDomains[1]'",
    ),
    "auto-assign off without a release": (
        config(release="", previousRelease=""), "autoAssignCustomDomains", "stop being published",
        "config set release SHA",
    ),
    "a release with auto-assign on": (
        config(autoAssignCustomDomains=True), "autoAssignCustomDomains", "must be false",
        "config set autoAssignCustomDomains false",
    ),
    "a release that is no SHA": (
        config(release="v1.2.3"), "release", "no full git SHA", "config set release SHA",
    ),
    "a short SHA": (
        config(previousRelease="1111111"), "previousRelease", "no full git SHA",
        "config set previousRelease SHA",
    ),
    "N-1 without a release": (
        config(release="", autoAssignCustomDomains=True), "previousRelease", "without release",
        "config set release SHA",
    ),
    "N-1 equal to the release": (
        config(previousRelease=demo.RELEASES[1]), "previousRelease", "no N-1",
        "config set previousRelease SHA",
    ),
    "three reviewers": (
        config(reviewers=[{"user": u, "id": 1} for u in "abc"]), "reviewers", "names 3",
        "config rm --path 'reviewers[2]'",
    ),
    "no reviewer in production": (
        config(reviewers=[]), "reviewers", "needs one or two", "--path 'reviewers[0].user' LOGIN",
    ),
    "a reviewer without a name": (
        config(reviewers=[{"id": 1}]), "reviewers[0]", "either user or team",
        "--path 'reviewers[0].user' LOGIN",
    ),
    "a reviewer with two names": (
        config(reviewers=[{"user": "a", "team": "b", "id": 1}]), "reviewers[0]", "either user or team",
        "config rm --path 'reviewers[0].team'",
    ),
    "a reviewer without id": (
        config(reviewers=[{"user": "a"}]), "reviewers[0].id", "missing for a", "operations adopt",
    ),
    "a plan without reviewers": (
        config(appRepositoryVisibility="private"), "githubPlan", "no required reviewers",
        "--path 'unprotectedRepositories[0]' share-paint",
    ),
    "a project by its name": (
        config(vercelProjectId="share-paint"), "vercelProjectId", "canonical id",
        "config set vercelProjectId",
    ),
    "an unknown project setting": (
        config(vercelProject={"password": "x"}), "vercelProject.password", "no project setting",
        "config rm --path vercelProject.password",
    ),
    "a project setting of a wrong type": (
        config(vercelProject={"gitLfs": "yes"}), "vercelProject.gitLfs", "true or false",
        "--path vercelProject.gitLfs",
    ),
    "production without the project": (
        config(vercelProject={}), "vercelProject", "must own the project", "operations adopt",
    ),
    "Preview owned twice": (
        config(preview=True), "preview", "owned by stack `staging`", "config rm preview",
    ),
}
# fmt: on
MISTAKES: dict[str, tuple[str, Mistake]] = {
    **{name: ("staging", mistake) for name, mistake in OF_STAGING.items()},
    **{name: ("production", mistake) for name, mistake in OF_PRODUCTION.items()},
}


REQUIRED = [
    "environment", "branch", "githubOwner", "appRepository", "infraRepository", "vercelTeam",
    "vercelTeamSlug", "vercelProjectId", "vercelProjectName", "vercelTarget", "webDomain", "socketDomain",
    "socketHost", "supabaseRef", "NEXT_PUBLIC_SUPABASE_ANON_KEY", "NEXT_PUBLIC_SENTRY_DSN",
    "SUPABASE_SERVICE_ROLE_KEY", "BATTLE_PASSWORD_PEPPER", "SENTRY_DSN", "fingerprintKey",
]  # fmt: skip


@pytest.mark.parametrize("key", REQUIRED)
def test_each_required_key_is_missed(key: str) -> None:
    file = staging()
    without(key)(file)
    assert [p.key for p in problems_of(file, production()) if "is missing" in p.text] == [key]


def other(stack: str) -> StackFile:
    return staging() if stack == "production" else production()


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_by_its_key_with_the_command_that_mends_it(mistake: str) -> None:
    stack, (change, key, text, fix) = MISTAKES[mistake]
    file = stack_file(stack)
    change(file)
    found = [p for p in problems_of(file, other(stack)) if p.key == key and text in p.text]
    assert len(found) == 1
    assert fix in found[0].fix


# One change that is several mistakes: the other ones are named as well.
SEVERAL = {
    "a short fingerprint key",  # no HMAC made with another key fits it
    "production's key in Preview",  # and a legacy one at that
    "Vercel's environment under another target",  # and the other stack's
}


@pytest.mark.parametrize("mistake", sorted(set(MISTAKES) - SEVERAL))
def test_one_mistake_gives_one_problem(mistake: str) -> None:
    stack, (change, *_) = MISTAKES[mistake]
    file = stack_file(stack)
    change(file)
    assert len(problems_of(file, other(stack))) == 1


@pytest.mark.parametrize("stack", ["staging", "production"])
def test_the_rehearsals_stacks_have_no_problem_and_no_warning(stack: str) -> None:
    report = stack_file(stack).check(other(stack))
    unwatched = [warning for warning in report.warnings if warning.startswith("no monitor is declared")]
    assert (report.problems, list(report.warnings)) == ((), unwatched)
    assert bool(unwatched) == (stack == "production")


@pytest.mark.parametrize("stack", ["staging", "production"])
def test_a_watched_stack_is_warned_of_nothing(stack: str) -> None:
    files = [stack_file(stack), other(stack)]
    for number, file in enumerate(files):
        monitored(monitorDomain=f"monitor{number}.example", monitorHttpPort=80 + number,
                  monitorHttpsPort=443 + number)(file)  # fmt: skip
    report = files[0].check(files[1])
    assert (report.problems, report.warnings) == ((), ())


def test_one_channel_is_enough_before_production_and_two_of_any_kind_are_there() -> None:
    early = staging()
    early.drop_secret("DISCORD_WEBHOOK_URL")
    assert problems_of(early) == []
    late = production()
    late.drop_secret("DISCORD_WEBHOOK_URL")
    late.set_secret("PAGERDUTY_KEY", "r" * 32)
    assert problems_of(late) == []


def test_a_socket_server_that_no_page_over_https_may_reach_is_a_warning() -> None:
    file = staging(socketRelease="1" * 40, socketDigest="sha256:" + "1" * 64, socketTls="off")
    [warning] = file.check(production()).warnings
    assert "mixed content" in warning
    file.config["socketTls"] = "acme"
    assert file.check(production()).warnings == ()


def test_a_proxy_that_forgets_at_once_which_task_hangs_is_a_warning() -> None:
    file = staging(proxyImage="caddy:2.10.2-alpine")
    file.config.update(socketRelease="1" * 40, socketDigest="sha256:" + "1" * 64)
    [warning] = [w for w in file.check(production()).warnings if w.startswith("proxyImage")]
    assert "before 2.11.2" in warning
    assert warning.endswith(": pulumi config set proxyImage caddy:2.11.9-alpine --stack staging")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (monitored(WATCHDOG_URL=None), "nobody is told when the monitor itself falls silent"),
        (monitored(monitorTls="off"), "crosses the network in the clear"),
    ],
)
def test_what_a_monitor_lacks_is_a_warning(change: Change, words: str) -> None:
    file = staging()
    change(file)
    report = file.check(production())
    assert report.problems == ()
    [warning] = report.warnings
    assert words in warning


def test_real_traffic_that_nobody_judges_or_that_nobody_is_told_of_is_a_warning() -> None:
    file = production(vercelAlerts=False)
    monitored()(file)
    [warning] = file.check(staging()).warnings
    assert "5xx" in warning
    assert "pulumi config set vercelAlerts true --stack production" in warning
    file.config.update(vercelAlerts=True, vercelSlackChannel="")
    file.drop_secret("VERCEL_ALERTS_WEBHOOK_URL")
    [warning] = file.check(staging()).warnings
    assert "reaches the team's owners alone" in warning
    file.config["vercelSlackChannel"] = "C01"
    assert file.check(staging()).warnings == ()


@pytest.mark.parametrize("stack", ["staging", "production"])
def test_the_committed_files_have_each_placeholder_named(stack: str) -> None:
    file = committed(stack)
    merged = {**DEFAULTS, **file.config}
    expected = {key for key, value in merged.items() if isinstance(value, str) and PLACEHOLDER in value}
    expected |= {"reviewers[0].user"} if "reviewers" in file.config else set()
    named = {p.key for p in problems_of(file, committed(other(stack).stack)) if "placeholder" in p.text}
    assert named == expected
    assert len(named) > 8


@pytest.mark.parametrize("stack", ["staging", "production"])
def test_the_committed_files_lack_only_secrets_placeholders_and_the_comparison(stack: str) -> None:
    for problem in problems_of(committed(stack), committed(other(stack).stack)):
        left = "placeholder" in problem.text or problem.key in (
            "adoptedOn",
            "SLACK_WEBHOOK_URL or PAGERDUTY_KEY",
        )
        assert left or problem.key in secret_keys() | {"fingerprintKey"} or problem.key == "githubPlan"


# --- text that came with its wrapping ----------------------------------------------------------------

WRAPPINGS = [
    " {}",
    "{} ",
    '"{}"',
    "'{}' # of staging",
    "\ufeff{}",
    "{}\u200b",
    "\u00a0{}",
    "{} # old",
]
TEXTS = {
    key: value
    for key, value in (DEFAULTS | monitored_production().config | {"registryUser": "robot"}).items()
    if isinstance(value, str) and value and key not in LINES and key != "adoptedOn"
}


def test_each_text_that_came_with_its_wrapping_is_named_by_its_key_and_never_repeated() -> None:
    for number, key in enumerate(sorted(TEXTS)):  # each wrapping at many keys
        form = WRAPPINGS[number % len(WRAPPINGS)]
        file = monitored_production()
        file.config["registryUser"] = "robot"
        file.set_secret("REGISTRY_PASSWORD", "the-robots-password")
        before = {p.key for p in problems_of(file, staging())}
        file.config[key] = form.format(TEXTS[key])
        [found] = [p for p in problems_of(file, staging()) if p.key not in before]
        assert found.key == key, form
        assert "came with" in found.text
        assert TEXTS[key] not in found.text.split()
        assert found.fix == f"pulumi config set {key} VALUE --stack production"


@pytest.mark.parametrize("form", WRAPPINGS)
def test_each_secret_that_came_with_its_wrapping_is_named_by_its_key_and_never_repeated(form: str) -> None:
    file = production()
    for key in sorted(secret_keys() & set(file.secrets) | {"fingerprintKey"}):
        wrapped = production()
        wrapped.secrets[key] = form.format(file.secrets[key])
        named = [p for p in problems_of(wrapped, staging()) if p.key == key]
        assert [("came with" in p.text, file.secrets[key] in p.text) for p in named] == [(True, False)]


def test_texts_below_a_key_are_looked_at_and_what_others_wrote_is_not() -> None:
    file = production(
        tags=["v* "], redirectDomains=["\u200bwww.share-paint.app"],
        delivery={"production": {"AWS_REGION": '"x"'}},
        reviewers=[{"user": " mina", "id": 1}], vercelProject={"buildCommand": '"npm" run "build" '},
    )  # fmt: skip
    assert [(p.key, p.text.split(";")[0]) for p in problems_of(file, staging())] == [
        ("delivery.production.AWS_REGION", "came with quotes around it"),
        ("redirectDomains[0]", "came with an invisible character (U+200B)"),
        ("reviewers[0].user", "came with spaces around it"),
        ("tags[0]", "came with spaces around it"),
    ]


def test_line_ends_around_a_text_are_cut_and_nothing_is_said() -> None:
    file = production(branch="main\n", supabaseRef=f"{PRD}\r\n", githubPlan="team\n", webProbePath="/\r")
    settings = file.settings()
    assert (settings.branch, settings.supabase_ref, settings.web_probe_path) == ("main", PRD, "/")
    assert problems_of(file, staging()) == []


def test_a_key_of_several_lines_is_mended_from_its_file() -> None:
    file = staging()
    over_tls(socketHostCa=f"\ufeff{CERTIFICATE}", SOCKET_HOST_KEY=f"'{KEY}'")(file)
    assert {p.key: p.fix.rsplit(" --stack ")[0] for p in problems_of(file, production())} == {
        "socketHostCa": "pulumi config set socketHostCa",
        "SOCKET_HOST_KEY": "python -m operations set SOCKET_HOST_KEY",
    }


@pytest.mark.parametrize("form", ["{}\n", "{}\r\n", *WRAPPINGS])
def test_a_secret_shared_with_another_stack_or_with_preview_is_seen_through_its_wrapping(form: str) -> None:
    file, sibling = staging(), production()
    file.set_secret("SENTRY_DSN", form.format(sibling.secrets["SENTRY_DSN"]))
    file.set_secret(OWN, form.format(file.secrets[SERVICE]))
    texts = {
        p.key: p.text
        for p in problems_of(file, sibling)
        if "came with" not in p.text and "date" not in p.text
    }
    assert "same secret as SENTRY_DSN of stack `production`" in texts["SENTRY_DSN"]
    assert f"equals {SERVICE}" in texts[OWN]
    sibling.config["supabaseRef"] = form.format(STG)
    assert any(p.key == "supabaseRef" and "share it" in p.text for p in problems_of(file, sibling))


# --- the same secret in both stacks ------------------------------------------------------------------


@pytest.mark.parametrize("theirs", ["SENTRY_DSN", "BATTLE_PASSWORD_PEPPER"])
def test_a_secret_of_the_other_stack_is_seen_by_its_hmac_under_any_key(theirs: str) -> None:
    file, sibling = staging(), production()
    file.set_secret("SENTRY_DSN", sibling.secrets[theirs])
    [found] = problems_of(file, sibling)
    assert found.key == "SENTRY_DSN"
    assert f"same secret as {theirs} of stack `production`" in found.text


def test_two_stacks_with_different_keys_are_refused_because_a_shared_secret_would_not_be_seen() -> None:
    file, sibling = staging(), production()
    sibling.config["rotation"]["fingerprintKey"]["hmac"] = key_fingerprint(
        "another key of 32 characters and more"
    )
    [found] = problems_of(file, sibling)
    assert (found.key, "is not the one of stack `production`" in found.text) == ("fingerprintKey", True)
    assert problems_of(file, production()) == []


def test_a_sibling_whose_key_left_no_mark_is_not_checked_and_that_is_said() -> None:
    file, sibling = staging(), production()
    unmarked(sibling)
    [warning] = file.check(sibling).warnings
    assert "not checked" in warning
    assert "no record of its fingerprintKey" in warning


def test_the_date_of_tomorrow_is_no_future_because_it_is_tomorrow_somewhere() -> None:
    file = staging()
    file.config["rotation"]["SENTRY_DSN"]["date"] = (TODAY + timedelta(days=1)).isoformat()
    assert problems_of(file) == []


def test_preview_shares_secrets_with_staging_without_a_problem() -> None:
    assert problems_of(staging(), production()) == []


def test_a_sibling_whose_hmacs_cannot_be_read_is_said_aloud() -> None:
    loaded = staging().loaded(production())
    blind = loaded.settings.siblings[0].model_copy(update={"hmacs": None})
    unread = loaded.settings.model_copy(update={"siblings": (blind,)})
    report = preflight.check(type(loaded)(settings=unread, problems=()), TODAY)
    assert report.problems == ()
    assert any("not checked" in warning and "production" in warning for warning in report.warnings)


def test_stacks_on_different_hosts_may_use_the_same_ports() -> None:
    ports = {"socketHttpPort": 80, "socketHttpsPort": 443}
    file, sibling = staging(**ports, socketHost="ssh://a"), production(**ports, socketHost="ssh://b")
    assert problems_of(file, sibling) == []
    sibling.config["socketHost"] = "ssh://a"
    assert {p.key for p in problems_of(file, sibling)} == {"socketHttpPort", "socketHttpsPort"}


@pytest.mark.parametrize("change", [over_tls(), with_login(), with_login(socketImage="docker.io/o/socket")])
def test_a_host_over_tls_and_a_private_registry_are_sound(change: Change) -> None:
    file = staging()
    change(file)
    assert problems_of(file, production()) == []


def test_tls_material_without_a_tcp_host_is_refused_because_the_plugin_would_use_it() -> None:
    file = staging()
    over_tls(socketHost="ssh://docker.example")(file)
    found = problems_of(file, production())
    assert {p.key for p in found} == {"socketHostCa", "socketHostCertificate", "SOCKET_HOST_KEY"}
    assert all("is no tcp:// host" in p.text for p in found)


@pytest.mark.parametrize("name", ["DOCKER_CONTEXT", "DOCKER_CERT_PATH", "DOCKER_KEY_MATERIAL"])
def test_an_environment_that_would_win_over_the_stack_file_is_refused(name: str) -> None:
    # The Docker plugin prefers a context to the host it is given: another host would get the release.
    loaded = staging().loaded(production())
    assert preflight.check(loaded, TODAY, {name: "", "DOCKER_HOST": "unix:///x"}).problems == ()
    [found] = preflight.check(loaded, TODAY, {name: "elsewhere"}).problems
    assert_well_formed(found, "staging")
    assert "in place of the stack file" in found.text
    assert "elsewhere" not in found.text


def test_protections_given_up_knowingly_are_no_problem() -> None:
    file = production(
        githubPlan="team", appRepositoryVisibility="private", unprotectedRepositories=["share-paint"]
    )
    assert problems_of(file, staging()) == []


PRIVATE = {"githubPlan": "team", "appRepositoryVisibility": "private", "infraRepositoryVisibility": "private"}


def test_where_no_repository_can_have_reviewers_none_is_asked_for_once_that_is_given_up() -> None:
    both = ["share-paint", "share-paint-infra"]
    file = production(**PRIVATE, unprotectedRepositories=both, reviewers=[])
    assert problems_of(file, staging()) == []
    half = production(**PRIVATE, unprotectedRepositories=both[:1], reviewers=[])
    assert [p.key for p in problems_of(half, staging())] == ["reviewers"]


def test_settings_that_are_sound_in_two_ways_are_accepted() -> None:
    changes: list[dict[str, Any]] = [
        {"autoAssignCustomDomains": True, "release": "", "previousRelease": ""},
        {"previousRelease": ""},
        SOCKET,
        {**SOCKET, "previousSocketRelease": "", "previousSocketDigest": ""},
        {**SOCKET, "previousSocketDigest": DIGEST},  # two commits of the app may build the same image
        {"reviewers": [{"team": "infra-owners", "id": 2001}]},
        {"redirectDomains": []},
        {"socketHost": "tcp://127.0.0.1:2375"},
        {"vercelProject": {"framework": "nextjs", "gitLfs": False, "resourceConfig": {"fluid": True}}},
    ]
    for change in changes:
        assert problems_of(production(**change), staging()) == []
    assert problems_of(staging(vercelTarget="branch"), production()) == []


def test_legacy_supabase_keys_are_accepted_with_a_warning() -> None:
    file = staging(**{ANON: supabase_jwt("anon", STG)})
    file.set_secret(SERVICE, supabase_jwt("service_role", STG))
    report = file.check(production())
    assert report.problems == ()
    [warning] = report.warnings
    assert ANON in warning
    assert SERVICE in warning
    assert "legacy" in warning


# --- age ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age", "word"),
    [(0, None), (74, None), (75, "due soon"), (89, "due soon"), (90, "OVERDUE"), (4000, "OVERDUE")],
)
def test_age_warns_from_75_days_loudly_from_90_and_never_blocks(age: int, word: str | None) -> None:
    file = staging()
    file.set_secret("SENTRY_DSN", file.secrets["SENTRY_DSN"], on=TODAY - timedelta(days=age))
    report = file.check(production())
    assert report.problems == ()
    if word is None:
        assert report.warnings == ()
        return
    [warning] = report.warnings
    assert word in warning
    assert f"SENTRY_DSN ({age} days)" in warning
    assert "python -m operations rotate" in warning


def test_leftover_import_ids_are_a_warning_that_names_their_number() -> None:
    report = staging(adopt={"web-project": "x", "web-domain-y": "z"}).check(production())
    assert report.problems == ()
    assert any(warning.startswith("adopt: 2 import ids") for warning in report.warnings)


# --- many at once ------------------------------------------------------------------------------------


def with_many_mistakes() -> StackFile:
    file = production(
        oops="1", waitMinutes="soon", reviewers=[{"user": "a", "id": 1}] * 3, release="v1", adoptedOn="",
        webDomain="https://share-paint.app", socketHost="my-server", supabaseRef=STG,
        githubOwner="REPLACE_ME-github-owner", vercelProject={"password": "x"},
    )  # fmt: skip
    changed_by_hand(file)
    file.drop_secret(PEPPER)
    in_the_clear("DISCORD_WEBHOOK_URL")(file)
    file.config[ANON] = supabase_jwt("service_role", PRD)
    return file


def test_many_mistakes_at_once_are_all_in_one_block() -> None:
    file = with_many_mistakes()
    report = file.check(staging())
    named = {p.key for p in report.problems}
    assert named == {
        "oops", "waitMinutes", "reviewers", "webDomain", "githubOwner", "supabaseRef", "release",
        "socketHost", "adoptedOn", "vercelProject.password", "SENTRY_DSN", PEPPER,
        "DISCORD_WEBHOOK_URL", ANON,
    }  # fmt: skip
    text = report.error_text()
    assert text.startswith(f"stack `production` has {len(report.problems)} problems; nothing was touched.")
    for number, problem in enumerate(report.problems, 1):
        assert re.search(rf"^ *{number}\. {re.escape(problem.key)}: ", text, re.MULTILINE)
        assert f"-> {problem.fix}\n" in text + "\n"


@pytest.mark.parametrize("file", [with_many_mistakes(), committed("staging"), committed("production")])
def test_the_block_is_at_most_100_columns_wide_and_no_command_is_broken(file: StackFile) -> None:
    report = file.check(other(file.stack))
    lines = report.error_text().splitlines()
    fixes = {f"-> {problem.fix}" for problem in report.problems}
    for line in lines:
        assert len(line) <= WIDTH or line.strip() in fixes
    assert fixes <= {line.strip() for line in lines}
    assert not any(line != line.rstrip() for line in lines)


@pytest.mark.parametrize("file", [with_many_mistakes(), committed("staging"), committed("production")])
def test_what_is_wrapped_is_indented_below_its_number_and_no_word_is_broken(file: StackFile) -> None:
    report = file.check(other(file.stack))
    for line in report.error_text().splitlines()[2:]:
        assert re.match(r"( {0,2}\d+\. | {5}| {7})\S", line)
    words = set(report.error_text().split())
    assert all(set(problem.text.split()) <= words for problem in report.problems)


def test_one_problem_is_counted_in_the_singular() -> None:
    assert staging(webDomain="").check(production()).error_text().startswith("stack `staging` has 1 problem;")


def test_the_comparison_lists_what_may_exist_already() -> None:
    text = staging(adoptedOn="").check(production()).error_text()
    for words in (
        "Vercel domain: staging.share-paint.app",
        "GitHub environment: share-paint:staging",
        "(preview)",
    ):
        assert words in text


def test_one_broken_record_does_not_make_every_secret_look_undated() -> None:
    file = staging()
    file.config["rotation"]["SENTRY_DSN"] = {"date": "2026-01-01"}
    [found] = problems_of(file, production())
    assert found.key == "rotation"


# --- enforce -----------------------------------------------------------------------------------------


def test_enforce_ends_the_program_with_the_block_and_no_traceback() -> None:
    with pytest.raises(pulumi.RunError) as raised:
        preflight.enforce(staging(webDomain="").loaded(production()), TODAY, {})
    assert "webDomain: is missing" in str(raised.value)


def test_enforce_hands_over_sound_settings_and_logs_each_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", logged.append)
    file = staging(adopt={"web-domain-x": "id"})
    assert preflight.enforce(file.loaded(production()), TODAY, {}).stack == "staging"
    assert len(logged) == 1


# --- adoption can run before the rest is right -------------------------------------------------------


def test_adoption_is_held_up_only_by_the_ids_and_names_it_looks_up() -> None:
    file = staging(
        adoptedOn="", githubOwner="REPLACE_ME-x", vercelProjectId="", socketHost="", supabaseRef=""
    )
    file.drop_secret(PEPPER)
    assert {p.key for p in preflight.blocking_for_adoption(file.loaded())} == {
        "githubOwner",
        "vercelProjectId",
    }
    assert preflight.blocking_for_adoption(staging(adoptedOn="").loaded()) == []


@pytest.mark.parametrize(
    "key",
    [
        "environment", "branch", "githubOwner", "appRepository", "infraRepository", "vercelTeam",
        "vercelProjectId", "vercelProjectName", "vercelTarget", "webDomain",
    ],
)  # fmt: skip
def test_adoption_needs_each_id_and_name_it_looks_up(key: str) -> None:
    assert {p.key for p in preflight.blocking_for_adoption(production(**{key: ""}).loaded())} == {key}
    if key != "vercelTarget":  # a wrong word there is a wrong type
        assert [
            p.key for p in preflight.blocking_for_adoption(production(**{key: "REPLACE_ME"}).loaded())
        ] == [key]


def test_adoption_waits_for_the_names_of_the_reviewers_and_fills_their_ids() -> None:
    unnamed = production(reviewers=[{"user": "REPLACE_ME-x"}])
    assert [p.key for p in preflight.blocking_for_adoption(unnamed.loaded())] == ["reviewers[0].user"]
    assert preflight.blocking_for_adoption(production(reviewers=[{"user": "mina"}]).loaded()) == []


# --- whatever the file holds -------------------------------------------------------------------------

CANARY = "c4n4ry"
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.dates().map(str),
    st.sampled_from(["", "{}", "[]", "REPLACE_ME", "share-paint.app", "[[", '{"a": 1}', '[{"user": "x"}]']),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=6,
    ).map(as_text),
)  # fmt: skip
PLAIN_KEYS = sorted(KNOWN_KEYS - secret_keys() - {"fingerprintKey"})
BASE = {"staging": staging(), "production": production()}
SECRET_KEYS = sorted(secret_keys() | {"fingerprintKey"})
SECRET_VALUES = st.builds(
    lambda shape, tail: shape.format(CANARY + tail),
    st.sampled_from(
        ["{}", "sb_secret_{}", "https://{}@sentry.example", "{}.x.y", "sb_publishable_{}", " {} ", '"{}"']
    ),
    st.text(alphabet="abcdef\"'%$\\\n", max_size=8),
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(
    stack=st.sampled_from(["staging", "production"]),
    plain=st.dictionaries(st.sampled_from(PLAIN_KEYS) | st.text(max_size=8), VALUES, max_size=8),
    secrets=st.dictionaries(st.sampled_from(SECRET_KEYS), SECRET_VALUES, max_size=6),
    clear=st.sets(st.sampled_from(SECRET_KEYS)),
    bare=st.booleans(),
)
@example(stack="staging", plain={}, secrets={"SENTRY_DSN": CANARY}, clear={"SENTRY_DSN"}, bare=False)
@example(stack="staging", plain={"rotation": "9"}, secrets={SERVICE: "a.e30.c4n4ry"}, clear=set(), bare=True)
def test_whatever_the_file_holds_nothing_is_raised_and_no_secret_is_shown(
    stack: str, plain: dict[str, Any], secrets: dict[str, str], clear: set[str], bare: bool
) -> None:
    base = {} if bare else BASE[stack].raw()
    raw = {**base, **{k: v for k, v in plain.items() if k not in SECRET_KEYS}, **secrets}
    sibling = BASE["production" if stack == "staging" else "staging"].sibling()
    report = preflight.check(parse(stack, raw, set(raw) & (set(SECRET_KEYS) - clear), [sibling]), TODAY)
    text = report.error_text() + "\n".join(report.warnings) + repr(report)
    assert CANARY not in text
    for problem in report.problems:
        assert shlex.split(problem.fix)


@pytest.mark.parametrize(
    ("setting", "fix"),
    [
        ({"ignoreCommand": "git diff --quiet"}, "config rm --path vercelProject.ignoreCommand"),
        (
            {"enableAffectedProjectsDeployments": True},
            "config set --path vercelProject.enableAffectedProjectsDeployments false --type bool",
        ),
    ],
)
def test_a_reason_of_vercels_own_not_to_build_is_a_warning_of_both_stacks(
    setting: dict[str, Any], fix: str
) -> None:
    """A rotation builds the same commit again; the project belongs to production, the builds to both."""
    file = production()
    file.config["vercelProject"] = {**file.config["vercelProject"], **setting}
    for report in (file.check(staging()), staging().check(file)):
        [warning] = [each for each in report.warnings if next(iter(setting)) in each]
        assert f"pulumi {fix} --stack production" in warning
