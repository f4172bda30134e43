"""`doctor`: each finding has a fault that produces it, and a mended state that does not.

Accounts are the stand-ins' REST APIs, the Docker host is a real engine, Pulumi the real one.
"""

import ast
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from operations.stack.workspace import OperationError, Workspace
from operations.verbs import doctor
from operations.verbs.doctor import Check, faults
from plan.settings import Settings
from rehearsal import demo
from rehearsal.demo import RELEASES
from rehearsal.docker_engine import images
from rehearsal.docker_engine.registry import Registry
from rehearsal.standin import dns, seeds
from rehearsal.standin.account import Account
from rehearsal.standin.api import AccountApi
from tests.builders import ROOT, StackFile, production, staging
from tests.harness import DockerHome, RehearsalHome

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
APP, INFRA = demo.APP_REPOSITORY, demo.INFRA_REPOSITORY


SEEN: set[str] = set()
"""`what` of every finding that some test of this module has produced."""


def found_in(checks: Iterator[Check]) -> list[Check]:
    """The findings; every one has a fix."""
    found = faults(list(checks))
    assert all(each.fix for each in found)
    SEEN.update(each.what for each in found)
    return found


def only(checks: Iterator[Check]) -> Check:
    """The one finding."""
    [found] = found_in(checks)
    return found


# --- accounts --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("seeded") / "account.db"
    seeds.seed(path)
    return path


class Accounts:
    """The demo account, and what `doctor` says of it for a stack."""

    def __init__(self, path: Path, api: AccountApi) -> None:
        self.path, self.api = path, api

    def change(self, service: str, kind: str, id: str, **changes: Any) -> None:
        """Change a document, or make it; None takes a field away, no changes the whole document."""
        with closing(Account(self.path, service)) as account, account.transaction():
            if not changes:
                account.delete(kind, id)
                return
            document = {**(account.get(kind, id) or {}), **changes}
            account.put(kind, id, {name: value for name, value in document.items() if value is not None})

    def vercel(self, file: StackFile, token: str | None = demo.VERCEL_TOKEN) -> Iterator[Check]:
        return doctor.vercel(file.settings(), token, self.api.vercel_url, NOW)

    def github(self, file: StackFile, token: str | None = demo.GITHUB_TOKEN) -> Iterator[Check]:
        return doctor.github(file.settings(), token, self.api.github_url, NOW)


@pytest.fixture
def accounts(seeded: Path, tmp_path: Path) -> Iterator[Accounts]:
    path = tmp_path / "account.db"
    with closing(Account(seeded, "vercel")):  # folds the log into the file
        pass
    for file in seeded.parent.glob("account.db*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    with AccountApi(path) as api:
        yield Accounts(path, api)


@pytest.mark.parametrize("file", [staging(), production()], ids=["staging", "production"])
def test_the_demo_account_lacks_nothing(accounts: Accounts, file: StackFile) -> None:
    checks = [*accounts.vercel(file), *accounts.github(file)]
    assert faults(checks) == []
    assert not [check for check in checks if check.skipped]
    assert len(checks) >= 20


Fault = Callable[[Accounts, StackFile], None]
TEAM = demo.VERCEL_TEAM_ID


def _of_vercel(kind: str, id: str, **changes: Any) -> Fault:
    return lambda accounts, _: accounts.change("vercel", kind, id, **changes)


def _of_github(kind: str, id: str, **changes: Any) -> Fault:
    return lambda accounts, _: accounts.change("github", kind, id, **changes)


def _of_file(**changes: Any) -> Fault:
    return lambda _, file: file.config.update(changes)


def _both(*faults: Fault) -> Fault:
    def apply(accounts: Accounts, file: StackFile) -> None:
        for fault in faults:
            fault(accounts, file)

    return apply


def _milliseconds(when: datetime) -> int:
    return int(when.timestamp() * 1000)


# what is wrong -> (fault, words of the check, words of the fault, words of the fix)
VERCEL: dict[str, tuple[Fault, str, str, str]] = {
    "a token that ends soon": (
        _of_vercel("token", "current", expiresAt=_milliseconds(NOW + timedelta(days=3))),
        "accepts the token", "it ends on 2026-03-05", "export VERCEL_API_TOKEN",
    ),
    "a team that the token does not see": (
        _of_file(vercelTeam="team_another"), "sees team team_another", "no such team", "scope: the team",
    ),
    "a token of another team": (
        _both(
            _of_vercel("token", "current", scopes=[{"type": "team", "teamId": "team_x"}]),
            _of_file(vercelTeam="team_another"),
        ), "sees team team_another", "of another team", "scope: the team",
    ),
    "a role that may not write": (
        _of_vercel("team", TEAM, role="DEVELOPER"), "may write", "DEVELOPER", "Owner or Member",
    ),
    "another slug": (
        _of_file(vercelTeamSlug="other"), "vercelTeamSlug", f"slug is {demo.VERCEL_TEAM_SLUG}",
        f"config set vercelTeamSlug {demo.VERCEL_TEAM_SLUG}",
    ),
    "a policy that makes all sensitive": (
        _of_vercel("team", TEAM, sensitivePolicy="on"), "readable variables", "every variable sensitive",
        "config set vercelSensitiveOnly true",
    ),
    "another project": (
        _of_file(vercelProjectId="prj_another"), "sees project prj_another", "404", "the project's settings",
    ),
    "another name of the project": (
        _of_file(vercelProjectName="paint"), "is paint", "called share-paint",
        "config set vercelProjectName share-paint",
    ),
    "a token of one project": (
        _of_vercel("token", "current", lacks=["edge-config"]), "Edge Config", "too narrow", "scope: the team",
    ),
    "no room for a custom environment": (
        _of_vercel("team", TEAM, plan="hobby"), "room for the custom environment staging", "it allows 0",
        "config set vercelTarget branch",
    ),
    "a domain that leads elsewhere": (
        _of_vercel("dns", demo.STAGING_DOMAIN, addresses=[]), f"{demo.STAGING_DOMAIN} leads to Vercel",
        "elsewhere", "CNAME",
    ),
}  # fmt: skip
WAITING = {
    "repository": INFRA, "path": ".github/workflows/promote.yml", "name": "promote", "status": "waiting",
    "display_title": "release-production", "head_sha": RELEASES[0],
    "created_at": (NOW - timedelta(hours=25)).strftime("%Y-%m-%dT%H:%M:%SZ"),
}  # fmt: skip
GITHUB: dict[str, tuple[Fault, str, str, str]] = {
    "a token that has ended": (
        _of_github("token", "current", expires="2026-03-01 10:00:00 UTC"), "accepts the token",
        "it ended on 2026-03-01", "export GITHUB_TOKEN",
    ),
    "a classic token with too small a scope": (
        _of_github("token", "current", scopes="public_repo, read:org"), "scope repo", "public_repo, read:org",
        "export GITHUB_TOKEN",
    ),
    "a repository that the token does not see": (
        _of_github("repository", INFRA), f"sees {demo.GITHUB_OWNER}/{INFRA}", "not among the token's",
        "make a new token",
    ),
    "a private repository that is said to be public": (
        _of_github("repository", INFRA, visibility="private", plan="enterprise"), "infraRepositoryVisibility",
        "is private, the stack says public", "config set infraRepositoryVisibility private",
    ),
    "a team reviewer that the token may not see": (
        _of_github("token", "current", lacks=["members"]), "reviewer infra-owners", "it does not",
        "make a new token",
    ),
    "a reviewer who is gone": (
        _of_github("user", str(demo.REVIEWER_USER["id"])), "reviewer mina-release", "it does not",
        "operations adopt",
    ),
    "a team that GitHub would drop from the reviewers": (
        _of_github("repository", INFRA, access={"users": [demo.REVIEWER_USER["id"]], "teams": []}),
        f"reviewer infra-owners has access to {INFRA}", "it has none",
        f"gh api -X PUT /orgs/{demo.GITHUB_OWNER}/teams/infra-owners/repos/{demo.GITHUB_OWNER}/{INFRA} ",
    ),
    "a person whom GitHub would drop from the reviewers": (
        _of_github("repository", APP, access={"users": [], "teams": [demo.REVIEWER_TEAM["id"]]}),
        f"reviewer mina-release has access to {APP}", "it has none",
        f"gh api -X PUT /repos/{demo.GITHUB_OWNER}/{APP}/collaborators/mina-release ",
    ),
    "a schedule that GitHub switched off": (
        _of_github(
            "workflow", "7", repository=INFRA, name="drift", path=".github/workflows/drift.yml",
            state="disabled_inactivity",
        ), f"scheduled workflows of {demo.GITHUB_OWNER}/{INFRA}", "for want of commits: drift.yml",
        f"gh workflow enable drift.yml --repo {demo.GITHUB_OWNER}/{INFRA}",
    ),
    "a release that nobody approves": (
        _of_github("workflowRun", "4711", **WAITING),
        "has waited for an approval", "4711",
        f"gh run cancel 4711 --repo {demo.GITHUB_OWNER}/{INFRA}",
    ),
    "a reviewer with another id": (
        _of_file(reviewers=[{"user": "mina-release", "id": 7}]), "reviewer mina-release", "its id is 1001",
        "operations adopt",
    ),
    "a plan with less than counted on": (
        _both(
            _of_file(githubPlan="enterprise", appRepositoryVisibility="private"),
            _of_github("repository", APP, visibility="private"),
        ), f"{APP} has the protections", "the plan is team, without required reviewers",
        "config set githubPlan team",
    ),
    "a plan without rulesets": (
        _both(
            _of_file(githubPlan="pro", appRepositoryVisibility="private"),
            _of_github("token", "current", lacks=["organization_administration"]),
            _of_github("repository", APP, visibility="private", plan="free"),
        ), f"{APP} has the protections", "asks to upgrade", "config set githubPlan PLAN",
    ),
}  # fmt: skip


FAULTS = [(Accounts.vercel, staging, fault) for fault in VERCEL.values()]
FAULTS += [(Accounts.github, production, fault) for fault in GITHUB.values()]


@pytest.mark.parametrize(("ask", "file", "fault"), FAULTS, ids=[*VERCEL, *GITHUB])
def test_a_fault_of_an_account_is_found_with_its_fix(
    accounts: Accounts,
    ask: Callable[[Accounts, StackFile], Iterator[Check]],
    file: Callable[[], StackFile],
    fault: tuple[Fault, str, str, str],
) -> None:
    """The account and the stack file as they were are the mended state: nothing is found there."""
    make, what, why, fix = fault
    stated = file()
    make(accounts, stated)
    found = only(ask(accounts, stated))
    assert what in found.what
    assert why in found.fault
    assert fix in found.fix


@pytest.mark.parametrize("permission", ["administration", "actions", "environments", "checks", "issues"])
def test_a_permission_that_the_token_lacks_is_named_for_each_repository_that_needs_it(
    accounts: Accounts, permission: str
) -> None:
    for repository in (APP, INFRA):
        accounts.change("github", "environment", f"{repository}:x", repository=repository, name="production")
    accounts.change("github", "token", "current", lacks=[permission])
    found = found_in(accounts.github(production()))
    assert len(found) == (1 if permission in ("checks", "issues") else 2)  # of the app's alone
    for each in found:
        assert f"asks for {permission}=read" in each.fault
        assert permission.capitalize() in each.fix


def test_a_token_that_is_refused_or_not_there_is_the_only_finding(accounts: Accounts) -> None:
    assert "401" in only(accounts.vercel(staging(), "wrong")).fault
    assert "accepts the token" in only(accounts.github(staging(), "wrong")).what
    for checks in (accounts.vercel(staging(), None), accounts.github(staging(), None)):
        [skipped] = list(checks)
        assert skipped.skipped.endswith("is not set")


def test_a_plan_that_the_token_may_not_see_is_said_to_be_unchecked(accounts: Accounts) -> None:
    accounts.change("github", "token", "current", lacks=["organization_administration"])
    accounts.change("github", "repository", APP, visibility="private")
    file = production(appRepositoryVisibility="private", unprotectedRepositories=[APP])
    checks = list(accounts.github(file))
    assert faults(checks) == []
    assert [c.skipped for c in checks if c.skipped] == ["the token may not see the plan; rulesets exist"]


# --- DNS and the stack file ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "domain"),
    [
        ("webDomain", "share-paint.app"),
        ("socketDomain", "socket.share-paint.app"),
        ("redirectDomains[0]", "www.share-paint.app"),
        ("monitorDomain", "monitor.share-paint.app"),
    ],
)
def test_a_domain_without_an_address_is_found(accounts: Accounts, key: str, domain: str) -> None:
    file = production(monitorHost="ssh://ops@monitor", monitorDomain="monitor.share-paint.app")

    def checks() -> Iterator[Check]:
        return doctor.dns(file.settings(), lambda name: dns.addresses(accounts.path, name))

    assert faults(list(checks())) == []
    accounts.change("vercel", "dns", domain, addresses=[])
    found = only(checks())
    assert found.what == f"{key} {domain} has an address"
    assert domain in found.fix


@pytest.mark.parametrize(
    ("host", "addresses", "told"),
    [
        ("ssh://ops@host.example:22", ["93.184.216.34"], "fault"),
        ("tcp://93.184.216.34:2376", [], "fault"),
        ("ssh://ops@host.example", [dns.ADDRESS, "93.184.216.34"], ""),
        ("ssh://ops@alias", [], "may be a name of ~/.ssh/config"),
        ("unix:///run/docker.sock", [], "is this machine's own"),
    ],
)
def test_the_domain_of_a_docker_host_has_to_lead_to_it(
    accounts: Accounts, host: str, addresses: list[str], told: str
) -> None:
    domain = "socket.share-paint.app"
    accounts.change("vercel", "dns", "host.example", addresses=addresses)
    settings = production(socketHost=host, socketHostCa="x", socketHostCertificate="x").settings()

    def checks() -> Iterator[Check]:
        return doctor.dns(settings, lambda name: dns.addresses(accounts.path, name))

    if told == "fault":
        found = only(checks())
        assert found.what == f"socketDomain {domain} leads to socketHost"
        assert found.fault.startswith(f"it leads to {dns.ADDRESS}, ")
        assert f"a record for {domain} with 93.184.216.34" in found.fix
        accounts.change("vercel", "dns", domain, addresses=["93.184.216.34"])
    listed = list(checks())
    assert faults(listed) == []
    assert [told in check.skipped for check in listed if check.skipped] == (
        [True] if "~" in told or "own" in told else []
    )


def test_a_host_in_a_network_of_its_own_is_not_compared(accounts: Accounts) -> None:
    accounts.change("vercel", "dns", "socket.share-paint.app", addresses=["93.184.216.34"])
    settings = production(socketHost="tcp://10.0.0.7:2376").settings()
    checks = list(doctor.dns(settings, lambda name: dns.addresses(accounts.path, name)))
    assert faults(checks) == []
    assert [c.skipped for c in checks if c.skipped] == [
        "10.0.0.7 is reached by an address of its own network"
    ]


def test_a_stack_file_that_preflight_refuses_is_found_and_one_not_compared_yet_is_not() -> None:
    sound = staging(adoptedOn="")
    assert faults(list(doctor.stack_file(sound.loaded(production()), NOW.date()))) == []
    sound.config["webDomain"] = "https://x"
    found = only(doctor.stack_file(sound.loaded(production()), NOW.date()))
    assert found.fault == "1 problems: webDomain"
    assert "pulumi preview --stack staging" in found.fix


# --- the machine and the backend -------------------------------------------------------------------------


def _workspace(home: RehearsalHome, **env: str) -> Workspace:
    return Workspace(folder=home.folder, stack="staging", env={**home.home.env(), **env})


def test_this_machine_lacks_nothing(module_home: RehearsalHome) -> None:
    assert faults(list(doctor.machine(_workspace(module_home)))) == []


def test_faults_of_the_machine_are_found(module_home: RehearsalHome, tmp_path: Path) -> None:
    old = tmp_path / "bin" / "pulumi"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho v3.200.0\n")
    old.chmod(0o755)
    path = f"{old.parent}{os.pathsep}{module_home.home.env()['PATH']}"
    found = only(doctor.machine(_workspace(module_home, PATH=path)))
    assert "it is 3.200.0" in found.fault

    found = only(doctor.machine(_workspace(module_home, DOCKER_CONTEXT="desktop")))
    assert found.fault.startswith("DOCKER_CONTEXT")
    assert found.fix == "unset DOCKER_CONTEXT"

    for token in ("VERCEL_API_TOKEN", "GITHUB_TOKEN"):
        found = only(doctor.machine(_workspace(module_home, **{token: ""})))
        assert found.what == f"{token} is set"

    pins = tmp_path / "requirements.txt"
    pins.write_text("pulumi==3.1.0 \\\n    --hash=sha256:0\nno-such-package==1 \\\n    --hash=sha256:0\n")
    found = only(doctor.machine(_workspace(module_home), pins))
    assert "(pinned 3.1.0), no-such-package missing (pinned 1)" in found.fault
    assert "make install" in found.fix


def test_pulumi_that_is_not_there_is_found(
    module_home: RehearsalHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    found = only(doctor.machine(_workspace(module_home, PATH="/nowhere")))
    assert "not on PATH" in found.fault


def test_faults_of_the_backend_are_found(module_home: RehearsalHome, tmp_path: Path) -> None:
    assert faults(list(doctor.backend(_workspace(module_home)))) == []

    nowhere = _workspace(module_home, PULUMI_BACKEND_URL=f"file://{tmp_path}/none")
    assert "pulumi login" in only(doctor.backend(nowhere)).fix

    (tmp_path / "empty").mkdir()
    empty = _workspace(module_home, PULUMI_BACKEND_URL=f"file://{tmp_path}/empty?metadata=skip")
    found = only(doctor.backend(empty))
    assert found.what == "stack `staging` exists there"
    assert "pulumi stack init staging" in found.fix

    (tmp_path / "passphrase").write_text("wrong")
    wrong = _workspace(module_home, PULUMI_CONFIG_PASSPHRASE_FILE=str(tmp_path / "passphrase"))
    found = only(doctor.backend(wrong))
    assert found.what == "its secrets can be decrypted"
    assert "PULUMI_CONFIG_PASSPHRASE_FILE" in found.fix


def test_a_stack_that_the_empty_passphrase_opens_is_found_and_closed_by_the_printed_command(
    module_home: RehearsalHome, tmp_path: Path
) -> None:
    for name in ("Pulumi.yaml", "Pulumi.staging.yaml"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    url = f"file://{tmp_path}?metadata=skip"
    stack = replace(_workspace(module_home, PULUMI_BACKEND_URL=url), folder=tmp_path)
    stack.pulumi("stack", "init", "staging", "--secrets-provider", "passphrase")
    assert faults(list(doctor.backend(stack))) == []

    # What the engine makes of it without a terminal: exit code 0, whatever the environment's file holds.
    stack.pulumi("stack", "change-secrets-provider", "passphrase", "--stack", "staging")
    found = only(doctor.backend(stack))
    assert (found.what, found.fault.split()[0]) == ("its passphrase is not empty", "whoever")

    (tmp_path / "new").write_text("a new passphrase\n")
    command = found.fix.split(";")[0].replace("NEW_PASSPHRASE_FILE", str(tmp_path / "new"))
    env = {k: v for k, v in stack.env.items() if k != "PULUMI_OPTION_CWD"}
    subprocess.run(["sh", "-ec", command], cwd=tmp_path, env=env, check=True, capture_output=True)
    closed = replace(stack, env={**stack.env, "PULUMI_CONFIG_PASSPHRASE_FILE": str(tmp_path / "new")})
    assert faults(list(doctor.backend(closed))) == []


def test_a_backend_that_a_kill_can_make_unreadable_is_found(
    module_home: RehearsalHome, tmp_path: Path
) -> None:
    url = f"file://{tmp_path}"
    plain = _workspace(module_home, PULUMI_BACKEND_URL=url)
    plain.pulumi("stack", "init", "staging", "--secrets-provider", "passphrase")
    found = only(doctor.backend(plain))
    assert found.fix == f"pulumi login '{url}?metadata=skip', and delete the files *.attrs in it"

    # What it warns of: a kill between the making of the file and its content.
    emptied = list((tmp_path / ".pulumi" / "stacks").rglob("staging.json.attrs"))
    assert emptied
    emptied[0].write_text("")
    with pytest.raises(OperationError, match="EOF"):
        plain.export()

    mended = _workspace(module_home, PULUMI_BACKEND_URL=f"{url}?metadata=skip")
    for file in list(tmp_path.rglob("*.attrs")):
        file.unlink()
    assert faults(list(doctor.backend(mended))) == []
    state = mended.pulumi("stack", "export", "--stack", "staging")
    mended.pulumi("stack", "import", "--stack", "staging", stdin=state)
    assert not list(tmp_path.rglob("*.attrs"))


def test_services_that_do_not_answer_are_found_and_the_rest_is_still_checked(
    module_home: RehearsalHome,
) -> None:
    nowhere = "http://127.0.0.1:9"
    checks = doctor.examine(_workspace(module_home), nowhere, nowhere, lambda _: [dns.ADDRESS], NOW)
    found = [check for check in found_in(checks) if check.what == "it answers"]
    assert len(found) == 2
    assert "network" in found[0].fix


# --- Docker hosts ----------------------------------------------------------------------------------------

root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a Docker engine")


@pytest.fixture(scope="module")
def deployed(hub: Registry) -> dict[str, Any]:
    """Keys of a stack file whose release is in the registry."""
    release, proxy = images.socket_server(hub, RELEASES[0]), images.caddy(hub)
    return {
        "socketHost": hub.engine.host, "socketImage": release.name, "socketRelease": release.tag,
        "socketDigest": release.digest, "proxyImage": proxy.reference,
    }  # fmt: skip


def _docker(deployed: dict[str, Any], **changes: Any) -> Iterator[Check]:
    settings: Settings = staging(**{**deployed, **changes}).settings()
    return doctor.docker(settings, NOW)


@root
def test_a_host_that_is_ready_lacks_nothing(deployed: dict[str, Any]) -> None:
    checks = list(_docker(deployed))
    assert faults(checks) == []
    assert len(checks) == 8


@root
def test_faults_of_a_docker_host_are_found(hub: Registry, deployed: dict[str, Any]) -> None:
    for address, fix in (
        ("unix:///nowhere/docker.sock", "systemctl start docker"),
        ("tcp://127.0.0.1:9", "docker --tlsverify"),
    ):
        found = only(_docker(deployed, socketHost=address))
        assert found.what == f"socketHost {address} answers"
        assert fix in found.fix

    found = only(_docker(deployed, monitorHost="unix:///nowhere/monitor.sock"))
    assert found.what.startswith("monitorHost")

    found = only(_docker(deployed, socketMemoryMib=10_000_000))
    assert "MiB are left" in found.fault
    assert "config set socketMemoryMib" in found.fix

    found = only(_docker(deployed, socketDigest=f"sha256:{'0' * 64}"))
    assert found.what == "the image of the release can be pulled there"
    n_1 = {"previousSocketRelease": RELEASES[1], "previousSocketDigest": f"sha256:{'1' * 64}"}
    assert only(_docker(deployed, **n_1)).what == "the image of N-1 can be pulled there"
    found = only(_docker(deployed, proxyImage="127.0.0.1:1/caddy:2"))
    assert found.what == "the image of the proxy can be pulled there"
    assert "push it" in found.fix

    with closing(hub.engine.client()) as client:
        port = {"Protocol": "tcp", "TargetPort": 80, "PublishedPort": 8081, "PublishMode": "host"}
        other = client.services.create(
            deployed["proxyImage"], name="somebody-elses", endpoint_spec={"Mode": "dnsrr", "Ports": [port]}
        )
        found = only(_docker(deployed))
        assert found.what == "socketHttpPort 8081 is free there"
        assert "somebody-elses" in found.fault
        other.remove()
        assert faults(list(_docker(deployed))) == []

        client.swarm.leave(force=True)
        assert only(_docker(deployed)).fix == "on that host: docker swarm init"


def _certificate(folder: Path, days: int) -> str:
    made = folder / f"{days}.pem"
    subject = ["-subj", "/CN=client", "-keyout", str(folder / "key.pem"), "-out", str(made)]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", str(days), *subject]
    subprocess.run(command, check=True, capture_output=True)
    return made.read_text()


def test_a_certificate_of_a_docker_host_that_ends_soon_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long, short = (_certificate(tmp_path, days) for days in (30, 3))

    def checks(key: str, ca: str, certificate: str) -> list[Check]:
        file = production(**{key: "tcp://127.0.0.1:9", f"{key}Ca": ca, f"{key}Certificate": certificate})
        file.set_secret("SOCKET_HOST_KEY" if key == "socketHost" else "MONITOR_HOST_KEY", "a key")
        listed = doctor.docker(file.settings(), datetime.now(UTC))
        return [check for check in listed if "valid" in check.what]

    for key in ("socketHost", "monitorHost"):
        assert [faults([check]) for check in checks(key, long, long)] == [[], []]
        found = only(iter(checks(key, long, short)))
        assert (found.what, found.fault[:10]) == (f"{key}Certificate is valid for a while", "it ends on")
        assert f"pulumi config set {key}Certificate --stack production" in found.fix
        assert "_HOST_KEY --stack production" in found.fix
        assert only(iter(checks(key, short, long))).what == f"{key}Ca is valid for a while"
    assert only(iter(checks("socketHost", long, "no PEM"))).fault == "it is no certificate in PEM"
    monkeypatch.setenv("PATH", "/nowhere")
    assert {check.skipped for check in checks("socketHost", long, short)} == {"openssl is not installed here"}


# --- the command -----------------------------------------------------------------------------------------


def test_the_command_ends_with_1_and_the_number_of_findings(docker_home: DockerHome) -> None:
    done = docker_home.operations("doctor", "--stack", "staging")
    assert (done.code, done.stderr) == (0, ""), done.text
    assert done.stdout.endswith("nothing found\n")
    assert "fault" not in done.stdout

    docker_home.edit("staging", socketDigest=f"sha256:{'0' * 64}", vercelTeamSlug="other")
    done = docker_home.operations("doctor", "--stack", "staging").failed()
    assert done.code == 1
    assert done.stdout.count("\n  fault") == done.stdout.count("\n         -> ") == 2
    assert done.stdout.endswith("2 findings\n")
    for secret in (demo.VERCEL_TOKEN, demo.GITHUB_TOKEN):
        assert secret not in done.text


# --- the list of findings --------------------------------------------------------------------------------


def _templates() -> set[str]:
    """`what` of every check that can be a finding, as a pattern: any text for what is filled in."""

    def pattern(node: ast.expr) -> str:
        parts = node.values if isinstance(node, ast.JoinedStr) else [node]
        return "".join(re.escape(str(p.value)) if isinstance(p, ast.Constant) else ".+" for p in parts)

    def assigned(function: ast.FunctionDef) -> Iterator[ast.expr]:
        """What a variable `what` is set to."""
        for node in ast.walk(function):
            if isinstance(node, ast.Assign):
                target, value = node.targets[0], node.value
                if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
                    target, value = target.elts[0], value.elts[0]
                if ast.unparse(target) == "what":
                    yield value

    found = set()
    modules = sorted(Path(doctor.__file__).parent.glob("*.py"))
    for function in (node for module in modules for node in ast.walk(ast.parse(module.read_text()))):
        if not isinstance(function, ast.FunctionDef):
            continue
        for call in (n for n in ast.walk(function) if isinstance(n, ast.Call)):
            given = {each.arg: each.value for each in call.keywords}
            if ast.unparse(call.func) == "Check" and "fault" in given:
                what = given["what"]
                found |= {pattern(n) for n in (assigned(function) if isinstance(what, ast.Name) else [what])}
    return found


def test_every_finding_of_doctor_has_been_produced_above(request: pytest.FixtureRequest) -> None:
    """Looks at what the tests of this module saw, where all of them were chosen."""
    here = {item.name for item in request.session.items if item.path == request.path}
    templates = _templates()
    assert len(templates) > 25
    if "test_the_command_ends_with_1_and_the_number_of_findings" in here and len(here) > 60:
        unseen = {each for each in templates if not any(re.fullmatch(each, what) for what in SEEN)}
        assert unseen == set()
