"""An ordinary week with the program: no-change runs, rotation, releases, drift, a destroy by mistake."""

import re
from typing import Any

import pytest

from rehearsal import demo, warm
from rehearsal.standin.drift import DRIFTS
from tests.harness import RehearsalHome

STACKS = ("staging", "production")


def _served(home: RehearsalHome, domain: str = demo.PRODUCTION_DOMAIN) -> dict[str, Any]:
    vercel = home.account("vercel")
    alias = vercel.get("alias", domain)
    assert alias is not None
    found = vercel.get("deployment", alias["deploymentId"])
    assert found is not None
    return found


@pytest.mark.parametrize("stack", STACKS)
def test_a_second_up_and_a_refresh_change_nothing(module_home: RehearsalHome, stack: str) -> None:
    calls = {s: module_home.account(s).calls() for s in ("vercel", "github")}
    module_home.pulumi("up", "-s", stack, "--yes", "--expect-no-changes").ok()
    module_home.pulumi("refresh", "-s", stack, "--yes", "--expect-no-changes").ok()
    module_home.pulumi("preview", "-s", stack, "--expect-no-changes").ok()

    assert {s: module_home.account(s).calls() for s in ("vercel", "github")} == calls


def test_plain_pulumi_commands_work_in_the_rehearsal(
    applied_home: RehearsalHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a person's shell: every process starts cold."""
    monkeypatch.delenv(warm.VARIABLE)
    graph = applied_home.folder / "graph.dot"
    applied_home.pulumi("stack", "graph", str(graph), "-s", "staging").ok()
    assert "web-environment-staging" in graph.read_text()

    committed = (applied_home.home.stack_file("staging")).read_text()
    applied_home.set_config("staging", "vercelProject.note", "x", secret=True, path=True)
    assert applied_home.home.stack_file("staging").read_text() != committed
    applied_home.remove_config("staging", "vercelProject")
    applied_home.pulumi("preview", "-s", "staging", "--expect-no-changes").ok()
    about = applied_home.pulumi("about", "-s", "staging").ok().stdout
    assert "pulumi_github" in about.replace("-", "_")


@pytest.mark.parametrize(
    ("stack", "key", "carriers"),
    [
        (
            "staging",
            "BATTLE_PASSWORD_PEPPER",
            {"web-variable-KEY-staging": "update", "web-variable-KEY-preview": "update"},
        ),
        ("production", "SENTRY_DSN", {"web-variable-KEY-production": "update"}),
    ],
)
def test_rotating_a_secret_changes_its_carriers_and_the_deployments_only(
    applied_home: RehearsalHome, stack: str, key: str, carriers: dict[str, str]
) -> None:
    old, new = applied_home.config(stack, key), f"rotated-{key}-value"
    applied_home.operations("set", key, "--stack", stack, stdin=new).ok()
    expected = {name.replace("KEY", key): op for name, op in carriers.items()}
    deployments = {
        name: op
        for name, op in applied_home.operations_planned(stack).items()
        if name.startswith(("web-follow", "web-release"))
    }
    planned = applied_home.operations_planned(stack)

    assert deployments
    assert set(deployments.values()) <= {"replace", "create-replacement", "delete-replaced"}
    assert {n: op for n, op in planned.items() if n not in deployments} == (
        expected | ({"web-live": "update"} if stack == "production" else {})
    )
    shown = applied_home.pulumi("preview", "-s", stack, "--diff").ok().text
    assert "[secret]" in shown
    assert old not in shown
    assert new not in shown

    applied_home.up(stack)
    values = {
        v["value"]
        for _, v in applied_home.account("vercel").find("variable", key=key)
        if v["value"] in (old, new)
    }
    assert values == {new}
    domain = demo.STAGING_DOMAIN if stack == "staging" else demo.PRODUCTION_DOMAIN
    assert _served(applied_home, domain)["env"][key] == new
    leaks = [
        str(path.relative_to(applied_home.folder))
        for path in applied_home.folder.rglob("*")
        if path.is_file() and not path.name.startswith("account.db") and old.encode() in path.read_bytes()
    ]
    assert leaks == []


def test_a_github_secret_is_rotated_in_every_repository_that_has_it(applied_home: RehearsalHome) -> None:
    new = "https://hooks.slack.com/services/T1/B1/new"
    applied_home.operations("set", "SLACK_WEBHOOK_URL", "--stack", "production", stdin=new).ok()
    planned = applied_home.operations_planned("production")
    assert planned == {
        f"gate-{repository}-secret-production-SLACK_WEBHOOK_URL": "update"
        for repository in (demo.APP_REPOSITORY, demo.INFRA_REPOSITORY)
    }
    applied_home.up("production")
    stored = {
        document["value"]
        for id, document in applied_home.account("github").find("secret", name="SLACK_WEBHOOK_URL")
        if "production" in id
    }
    assert stored == {new}


def test_a_rotation_rebuilds_n_minus_1_too_so_that_a_rollback_brings_no_old_secret_back(
    applied_home: RehearsalHome,
) -> None:
    new = "rotated-pepper-value-1234567890123"
    applied_home.operations("set", "BATTLE_PASSWORD_PEPPER", "--stack", "production", stdin=new).ok()
    applied_home.up("production")
    assert _served(applied_home)["sha"] == demo.RELEASES[1]

    applied_home.edit("production", release=demo.RELEASES[0], previousRelease=demo.RELEASES[1])
    planned = applied_home.operations_planned("production")
    assert planned == {"web-live": "update"}  # no build: the domain is pointed back
    applied_home.up("production")
    served = _served(applied_home)
    assert served["sha"] == demo.RELEASES[0]
    assert served["env"]["BATTLE_PASSWORD_PEPPER"] == new


def test_a_new_release_is_built_before_the_domain_moves_and_old_builds_stay(
    applied_home: RehearsalHome,
) -> None:
    vercel = applied_home.account("vercel")
    builds = set(vercel.dump()["deployment"])
    last = vercel.calls()[-1][0]
    applied_home.edit("production", release=demo.RELEASES[2], previousRelease=demo.RELEASES[1])
    applied_home.up("production")

    written = [(verb, kind) for _, verb, kind, _ in vercel.calls(last)]
    assert written == [("create", "deployment"), ("update", "alias")]
    assert _served(applied_home)["sha"] == demo.RELEASES[2]
    assert builds < set(vercel.dump()["deployment"])


def test_a_release_that_does_not_exist_leaves_the_domain_where_it_was(applied_home: RehearsalHome) -> None:
    before = _served(applied_home)
    applied_home.edit("production", release="f" * 40, previousRelease=demo.RELEASES[1])
    applied_home.pulumi("up", "-s", "production", "--yes", "--skip-preview").failed()

    assert _served(applied_home) == before


@pytest.mark.parametrize(
    ("stack", "changed"),
    [
        (
            "production",
            {
                "app-url": "web-variable-NEXT_PUBLIC_APP_URL-production",
                "skew-protection": "web-project",
                "wait-timer": "gate-share-paint-environment-production",
                "ruleset-off": "gate-share-paint-ruleset-main",
            },
        ),
        (
            "staging",
            {
                "branch-tracking": "web-environment-staging",
                "domain-removed": "web-domain-staging.share-paint.app",
            },
        ),
    ],
)
def test_what_was_changed_in_a_dashboard_is_shown_and_mended(
    applied_home: RehearsalHome, stack: str, changed: dict[str, str]
) -> None:
    before = {s: applied_home.account(s).dump() for s in ("vercel", "github")}
    for drift in changed:
        known = {s: applied_home.account(s).dump() for s in ("vercel", "github")}
        DRIFTS[drift].apply(applied_home.home.account)
        assert {s: applied_home.account(s).dump() for s in ("vercel", "github")} != known

    planned = applied_home.operations_planned(stack, "--refresh")
    assert set(changed.values()) <= set(planned)
    applied_home.pulumi("up", "-s", stack, "--yes", "--refresh").ok()
    applied_home.pulumi("preview", "-s", stack, "--refresh", "--expect-no-changes").ok()
    after = {s: applied_home.account(s).dump() for s in ("vercel", "github")}
    if "domain-removed" in changed:  # made anew: the same domain at another time, with its deployment
        assert after["vercel"]["domain"].keys() == before["vercel"]["domain"].keys()
        for kind in ("domain", "alias", "deployment"):
            del after["vercel"][kind], before["vercel"][kind]
    assert _timeless(after) == _timeless(before)


@pytest.mark.parametrize("options", [(), ("--skip-preview",)])
def test_destroy_touches_no_protected_object_and_names_the_others(
    applied_home: RehearsalHome, options: tuple[str, ...]
) -> None:
    resources = applied_home.resources("production")
    protected = {name for name, resource in resources.items() if resource.get("protect")}
    vercel, github = applied_home.account("vercel"), applied_home.account("github")
    kinds = {"vercel": ("project", "domain", "edgeConfig", "alias"), "github": ("environment",)}
    before = {k: vercel.dump()[k] for k in kinds["vercel"]} | {"env": github.dump()["environment"]}
    refused = applied_home.pulumi("destroy", "-s", "production", "--yes", *options).failed()

    assert "web-project" in protected
    for name in protected - {"web-project"}:
        assert re.search(rf"::{re.escape(name)}\" cannot be deleted|{re.escape(name)}", refused.text), name
    assert "cannot be deleted" in refused.text
    assert "web-variable-BATTLE_PASSWORD_PEPPER-production" in refused.text  # what it takes, by name
    after = {k: vercel.dump()[k] for k in kinds["vercel"]} | {"env": github.dump()["environment"]}
    if options:  # the redirect is one of the others
        assert before["domain"].pop("www.share-paint.app")
        after["domain"].pop("www.share-paint.app", None)
    assert after == before
    if not options:
        assert applied_home.resources("production").keys() == resources.keys()


def _timeless(dump: Any) -> Any:
    """Without times, nulls and the type of a variable: what the provider writes is stored encrypted."""
    if isinstance(dump, dict):
        stated = {k: v for k, v in dump.items() if v is not None}
        kept = {k: v for k, v in stated.items() if not k.lower().endswith(("updatedat", "updated_at"))}
        return {
            k: _timeless(v)
            for k, v in kept.items()
            if (k, v) not in (("type", "plain"), ("type", "encrypted"))
        }
    return [_timeless(v) for v in dump] if isinstance(dump, list) else dump
