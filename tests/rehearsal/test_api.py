"""The loopback REST APIs answer as the real ones: shapes, paging, tokens, and what they never return."""

import json
import re
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from rehearsal import demo
from rehearsal.standin import seeds, vercel
from rehearsal.standin.account import Account
from rehearsal.standin.api import AccountApi
from rehearsal.standin.vercel.deployment import build
from rehearsal.standin.vercel.environment import CustomEnvironment
from rehearsal.standin.vercel.project import COMPUTED, SETTINGS

PROJECT = f"/v9/projects/{demo.VERCEL_PROJECT_ID}"
ENVS = f"/v10/projects/{demo.VERCEL_PROJECT_ID}/env"


class Client:
    """Calls both APIs as `operations adopt` does."""

    def __init__(self, path: Path, api: AccountApi) -> None:
        self.path, self.api = path, api

    def account(self, service: str = "vercel") -> Account:
        return Account(self.path, service)

    def call(
        self, method: str, url: str, body: object = None, token: str | None = None
    ) -> tuple[int, Any, Message]:
        request = Request(url, method=method, data=None if body is None else json.dumps(body).encode())  # noqa: S310  loopback
        if token is not None:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urlopen(request, timeout=30) as answer:  # noqa: S310  loopback
                return answer.status, json.loads(answer.read() or b"null"), answer.headers
        except HTTPError as error:
            with error:
                return error.code, json.loads(error.read()), error.headers

    def vercel(self, path: str, body: object = None, *, method: str = "GET", **query: str) -> tuple[int, Any]:
        text = "&".join(f"{name}={value}" for name, value in {"teamId": demo.VERCEL_TEAM_ID, **query}.items())
        url = f"{self.api.vercel_url}{path}?{text}"
        status, answer, _ = self.call(method, url, body, demo.VERCEL_TOKEN)
        return status, answer

    def variables(self) -> dict[str, Any]:
        status, answer = self.vercel(ENVS)
        assert status == 200
        return {variable["id"]: variable for variable in answer["envs"]}

    def github(self, path: str, body: object = None, *, method: str = "GET", **query: str) -> tuple[int, Any]:
        text = "&".join(f"{name}={value}" for name, value in query.items())
        url = f"{self.api.github_url}{path}?{text}"
        status, answer, _ = self.call(method, url, body, demo.GITHUB_TOKEN)
        return status, answer


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    path = tmp_path / "account.db"
    seeds.seed(path)
    with AccountApi(path) as api:
        yield Client(path, api)


# --- both -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", [None, "", "wrong", demo.GITHUB_TOKEN])
def test_without_its_token_vercel_answers_401_and_nothing_else(client: Client, token: str | None) -> None:
    status, answer, _ = client.call("GET", client.api.vercel_url + PROJECT, token=token)
    assert (status, answer["error"]["code"]) == (401, "unauthorized")


@pytest.mark.parametrize("token", [None, "wrong", demo.VERCEL_TOKEN])
def test_without_its_token_github_answers_401_and_nothing_else(client: Client, token: str | None) -> None:
    url = f"{client.api.github_url}/users/{demo.REVIEWER_USER['user']}"
    status, answer, _ = client.call("GET", url, token=token)
    assert (status, answer["message"]) == (401, "Bad credentials")


def test_unknown_paths_and_services_are_404(client: Client) -> None:
    assert client.vercel("/v9/nothing")[0] == 404
    assert client.github("/nothing")[0] == 404
    base = client.api.vercel_url.removesuffix("/vercel")
    assert client.call("GET", f"{base}/other/x", token=demo.VERCEL_TOKEN)[0] == 404


def test_a_body_of_another_shape_is_400(client: Client) -> None:
    assert client.vercel(ENVS, {"target": ["production"]}, method="POST")[0] == 400
    assert client.vercel(ENVS, "text", method="POST")[0] == 400


# --- Vercel ---------------------------------------------------------------------------------------


def test_the_project_is_found_by_id_and_name_in_the_names_of_the_rest_api(client: Client) -> None:
    status, project = client.vercel(PROJECT)
    assert status == 200
    assert client.vercel(f"/v10/projects/{demo.VERCEL_PROJECT_NAME}") == (200, project)
    expected = {
        "id": demo.VERCEL_PROJECT_ID,
        "accountId": demo.VERCEL_TEAM_ID,
        "framework": "nextjs",
        "nodeVersion": "22.x",
        "buildCommand": seeds.PROJECT_SETTINGS["buildCommand"],
        "outputDirectory": None,
        "autoExposeSystemEnvs": False,
        "productionDeploymentsFastLane": True,
        "skewProtectionMaxAge": 43200,
        "ssoProtection": {"deploymentType": "all_except_custom_domains"},
        "serverlessFunctionRegion": "icn1",
    }
    assert project.items() >= expected.items()
    assert project["resourceConfig"]["functionDefaultRegions"] == ["icn1"]
    assert project["link"] == {
        "type": "github",
        "org": demo.GITHUB_OWNER,
        "repo": demo.APP_REPOSITORY,
        "productionBranch": "main",
        "deployHooks": [],
    }


def test_every_setting_of_a_project_has_its_place_in_the_answer(client: Client) -> None:
    """One that is changed in the account changes the answer: adoption can see whatever differs."""
    changed: dict[str, Any] = dict.fromkeys(SETTINGS, "x") | {
        name: name != "prioritiseProductionBuilds"  # the one that the seed has on
        for name, value in COMPUTED.items()
        if value is False
    }
    changed |= {"gitComments": {"onCommit": True, "onPullRequest": False}, "skewProtection": "7 days"}
    changed |= {"resourceConfig": {"functionDefaultCpuType": "performance"}, "passport": {"enabled": True}}
    changed |= {"gitProviderOptions": {"createDeployments": False, "repositoryDispatchEvents": False}}
    changed |= {"passwordProtection": {"deploymentType": "all_deployments", "password": "hidden-canary"}}
    changed |= {"vercelAuthentication": {"deploymentType": "only_preview_deployments"}}
    changed |= {"trustedIps": {"deploymentType": "all_deployments", "protectionMode": "trusted_ip_optional"}}
    changed |= {"gitRepository": {"type": "github", "repo": "other/repo", "productionBranch": "trunk"}}
    changed |= {"autoAssignCustomDomains": False, "gitForkProtection": False}
    changed |= {"oidcTokenConfig": {"issuerMode": "global"}}
    _, before = client.vercel(PROJECT)
    account = client.account()
    original = account.get("project", demo.VERCEL_PROJECT_ID) or {}
    for name in SETTINGS:
        account.put("project", demo.VERCEL_PROJECT_ID, {**original, name: changed[name]})
        status, after = client.vercel(f"/v9/projects/{demo.VERCEL_PROJECT_ID}")
        assert (status, after != before) == (200, True), name
        assert "hidden-canary" not in json.dumps(after)
    account.close()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        (
            "resourceConfig",
            {"functionDefaultCpuType": "performance"},
            {
                "functionDefaultMemoryType": "performance",
                "elasticConcurrencyEnabled": False,
                "buildMachineType": None,
            },
        ),
        (
            "trustedIps",
            {"deploymentType": "all_deployments", "protectionMode": "trusted_ip_optional", "addresses": []},
            {"deploymentType": "all", "protectionMode": "exclusive", "addresses": []},
        ),
        (
            "gitProviderOptions",
            {"createDeployments": False, "repositoryDispatchEvents": False},
            {"createDeployments": "disabled", "disableRepositoryDispatchEvents": True},
        ),
        ("gitProviderOptions", {"createDeployments": True}, {"createDeployments": "enabled"}),
        (
            "passwordProtection",
            {"deploymentType": "all_deployments", "password": "p"},
            {"deploymentType": "all"},
        ),
    ],
)
def test_nested_settings_take_the_names_of_the_rest_api(
    client: Client, name: str, value: object, expected: object
) -> None:
    account = client.account()
    project = account.get("project", demo.VERCEL_PROJECT_ID) or {}
    account.put("project", demo.VERCEL_PROJECT_ID, {**project, name: value})
    account.close()
    assert client.vercel(PROJECT)[1][name] == expected


def test_what_is_off_is_null_in_the_answer(client: Client) -> None:
    account = client.account()
    project = account.get("project", demo.VERCEL_PROJECT_ID) or {}
    del project["gitRepository"]
    account.put(
        "project", demo.VERCEL_PROJECT_ID, {**project, "vercelAuthentication": {"deploymentType": "none"}}
    )
    account.delete("domain", demo.PRODUCTION_DOMAIN)
    account.close()
    _, answer = client.vercel(PROJECT)
    assert (answer["link"], answer["ssoProtection"], answer["gitProviderOptions"]) == (None, None, None)
    assert client.vercel(f"{PROJECT}/domains")[1] == {
        "domains": [],
        "pagination": {"count": 0, "next": None, "prev": None},
    }


def test_a_project_is_not_found_without_its_team_or_by_another_name(client: Client) -> None:
    url = client.api.vercel_url + PROJECT
    assert client.call("GET", url, token=demo.VERCEL_TOKEN)[0] == 404
    assert client.vercel("/v9/projects/other")[0] == 404
    assert client.call("GET", f"{url}?slug={demo.VERCEL_TEAM_SLUG}", token=demo.VERCEL_TOKEN)[0] == 200


def test_variables_are_listed_with_ids_and_targets(client: Client) -> None:
    found = client.variables()
    assert {key: found[id]["key"] for key, id in seeds.VARIABLES.items()} == {
        key: key for key in seeds.VARIABLES
    }
    shared = found[seeds.VARIABLES["NEXT_PUBLIC_SUPABASE_URL"]]
    assert shared["target"] == ["preview", "production"]
    assert shared["value"] == f"https://{demo.SUPABASE_REF['production']}.supabase.co"
    assert "gitBranch" not in shared


def test_an_encrypted_value_is_readable_only_where_decryption_is_asked_for(client: Client) -> None:
    id = seeds.VARIABLES["SUPABASE_SERVICE_ROLE_KEY"]
    account = client.account()
    value = (account.get("variable", id) or {})["value"]
    account.close()
    assert value not in json.dumps(client.variables())
    assert client.variables()[id]["value"]
    assert client.vercel(f"{ENVS}/{id}")[1]["value"] == value
    assert value in json.dumps(client.vercel(ENVS, decrypt="true")[1])


def test_a_sensitive_value_is_never_returned(client: Client) -> None:
    body = {"key": "S", "value": "canary-value", "type": "sensitive", "target": ["production"]}
    status, made = client.vercel(ENVS, body, method="POST")
    assert status == 201
    id = made["created"]["id"]
    patched = client.vercel(f"{ENVS}/{id}", {"comment": "new"}, method="PATCH")
    listed = client.vercel(ENVS, decrypt="true")
    single = client.vercel(f"/v1/projects/{demo.VERCEL_PROJECT_ID}/env/{id}", decrypt="true")
    deleted = client.vercel(f"{ENVS}/{id}", method="DELETE")
    assert [patched[0], listed[0], single[0], deleted[0]] == [200, 200, 200, 200]
    assert "canary-value" not in json.dumps([made, patched, listed, single, deleted])
    assert (single[1]["value"], single[1]["comment"]) == ("", "new")


def test_lists_are_paged_until_the_last_one(client: Client) -> None:
    everything = set(client.variables())
    seen: list[str] = []
    query: dict[str, str] = {}
    while True:
        _, answer = client.vercel(ENVS, limit="2", **query)
        assert len(answer["envs"]) <= 2
        seen += [variable["id"] for variable in answer["envs"]]
        if answer["pagination"]["next"] is None:
            break
        query = {"until": str(answer["pagination"]["next"])}
    assert sorted(seen) == sorted(everything)
    assert len(seen) == 5


def test_a_variable_on_two_targets_is_split_by_a_patch_and_a_post(client: Client) -> None:
    id = seeds.VARIABLES["NEXT_PUBLIC_SUPABASE_URL"]
    body = {"key": "NEXT_PUBLIC_SUPABASE_URL", "value": "v", "type": "plain", "target": ["preview"]}
    status, answer = client.vercel(ENVS, body, method="POST")
    assert (status, answer["error"]["code"]) == (400, "ENV_CONFLICT")
    assert client.vercel(f"{ENVS}/{id}", {"target": ["production"]}, method="PATCH")[0] == 200
    status, answer = client.vercel(ENVS, body, method="POST")
    assert (status, answer["failed"]) == (201, [])
    found = client.variables()
    assert found[id]["target"] == ["production"]
    assert found[answer["created"]["id"]]["target"] == ["preview"]
    assert found[id]["value"] == f"https://{demo.SUPABASE_REF['production']}.supabase.co"


def test_many_variables_are_posted_at_once_and_the_failed_ones_named(client: Client) -> None:
    fresh = {"key": "A", "value": "1", "type": "plain", "target": "production"}
    taken = {"key": "NEXT_PUBLIC_APP_URL", "value": "1", "type": "plain", "target": ["production"]}
    status, answer = client.vercel(ENVS, [fresh, taken], method="POST")
    assert status == 201
    assert [(variable["key"], variable["target"]) for variable in answer["created"]] == [
        ("A", ["production"])
    ]
    assert [each["error"]["key"] for each in answer["failed"]] == ["NEXT_PUBLIC_APP_URL"]
    assert client.vercel(ENVS, [taken], method="POST")[0] == 400


def test_upsert_overwrites_the_variable_of_the_same_scope(client: Client) -> None:
    id = seeds.VARIABLES["NEXT_PUBLIC_APP_URL"]
    body = {"key": "NEXT_PUBLIC_APP_URL", "value": "new", "type": "plain", "target": ["production"]}
    status, answer = client.vercel(ENVS, body, method="POST", upsert="true")
    assert (status, answer["created"]["id"]) == (201, id)
    assert client.variables()[id]["value"] == "new"


def test_a_variable_of_a_branch_names_it(client: Client) -> None:
    body = {"key": "B", "value": "v", "type": "plain", "target": ["preview"], "gitBranch": "develop"}
    status, answer = client.vercel(ENVS, body, method="POST")
    assert (status, answer["created"]["gitBranch"]) == (201, "develop")


def test_writes_obey_the_rules_of_the_service(client: Client) -> None:
    secret = {"key": "S", "value": "v", "type": "sensitive", "target": ["development"]}
    assert client.vercel(ENVS, secret, method="POST")[0] == 400
    assert client.vercel(ENVS, {**secret, "target": []}, method="POST")[0] == 400
    id = client.vercel(ENVS, {**secret, "target": ["preview"]}, method="POST")[1]["created"]["id"]
    assert client.vercel(f"{ENVS}/{id}", {"type": "plain"}, method="PATCH")[0] == 400
    assert client.vercel(f"{ENVS}/{id}", {"target": []}, method="PATCH")[0] == 400
    assert client.vercel(f"{ENVS}/unknown", {"target": ["preview"]}, method="PATCH")[0] == 404


def test_a_deleted_variable_is_gone_and_a_second_delete_404(client: Client) -> None:
    id = seeds.VARIABLES["SUPABASE_SERVICE_ROLE_KEY"]
    status, answer = client.vercel(f"/v9/projects/{demo.VERCEL_PROJECT_ID}/env/{id}", method="DELETE")
    assert (status, [each["id"] for each in answer]) == (200, [id])
    assert id not in client.variables()
    assert client.vercel(f"{ENVS}/{id}", method="DELETE")[0] == 404


def test_domains_name_their_scope_and_redirect(client: Client) -> None:
    status, answer = client.vercel(f"{PROJECT}/domains")
    assert status == 200
    (domain,) = answer["domains"]
    assert (domain["name"], domain["apexName"]) == (demo.PRODUCTION_DOMAIN, demo.PRODUCTION_DOMAIN)
    assert (domain["gitBranch"], domain["redirect"], domain["customEnvironmentId"]) == (None, None, None)
    assert answer["pagination"] == {"count": 1, "next": None, "prev": domain["createdAt"]}


def test_custom_environments_come_with_the_limit_of_the_plan(client: Client) -> None:
    assert client.vercel(f"{PROJECT}/custom-environments")[1] == {
        "accountLimit": {"total": 1},
        "environments": [],
    }
    vercel.configure({"apiToken": demo.VERCEL_TOKEN, "team": demo.VERCEL_TEAM_SLUG})
    account = client.account()
    tracking = {"type": "equals", "pattern": "develop"}
    inputs = {"projectId": demo.VERCEL_PROJECT_ID, "name": "staging", "branchTracking": tracking}
    id, _ = CustomEnvironment().create(account, inputs)
    account.close()
    (environment,) = client.vercel(f"{PROJECT}/custom-environments")[1]["environments"]
    assert (environment["id"], environment["slug"], environment["branchMatcher"]) == (id, "staging", tracking)


def test_what_the_production_domain_serves_can_be_asked_and_promoted(client: Client) -> None:
    _, alias = client.vercel(f"/v4/aliases/{demo.PRODUCTION_DOMAIN}")
    _, served = client.vercel(f"/v13/deployments/{alias['deploymentId']}")
    assert (served["gitSource"]["sha"], served["readyState"]) == (demo.RELEASES[0], "READY")
    account = client.account()
    project = account.get("project", demo.VERCEL_PROJECT_ID) or {}
    inputs = {"ref": demo.RELEASES[2]}
    id = build(account, demo.VERCEL_PROJECT_ID, project, inputs)
    account.close()
    production = client.vercel("/v6/deployments", projectId=demo.VERCEL_PROJECT_ID, target="production")
    assert [each["uid"] for each in production[1]["deployments"]] == [alias["deploymentId"]]
    promote = f"/v10/projects/{demo.VERCEL_PROJECT_ID}/promote"
    assert client.vercel(f"{promote}/{id}", method="POST")[0] == 201
    assert client.vercel(f"/v4/aliases/{demo.PRODUCTION_DOMAIN}")[1]["deploymentId"] == id
    assert client.vercel(f"{promote}/dpl_unknown", method="POST")[0] == 404
    assert client.vercel("/v13/deployments/dpl_unknown")[0] == 404
    assert client.vercel("/v4/aliases/other.test")[0] == 404
    assert client.vercel("/v2/teams/other")[0] == 404


def test_the_team_tells_its_plan_and_policy(client: Client) -> None:
    status, team = client.vercel(f"/v2/teams/{demo.VERCEL_TEAM_SLUG}")
    assert (status, team["id"], team["billing"]["plan"]) == (200, demo.VERCEL_TEAM_ID, "pro")


# --- GitHub ---------------------------------------------------------------------------------------

REPOSITORY = f"/repos/{demo.GITHUB_OWNER}/{demo.APP_REPOSITORY}"


def put_environment(account: Account, name: str, **changes: Any) -> None:
    environment = {"repository": demo.APP_REPOSITORY, "name": name, "canAdminsBypass": True, **changes}
    account.put("environment", f"{demo.APP_REPOSITORY}:{name}", environment)


def test_users_and_teams_are_found_by_name(client: Client) -> None:
    status, user = client.github(f"/users/{demo.REVIEWER_USER['user']}")
    assert (status, user["id"], user["type"]) == (200, demo.REVIEWER_USER["id"], "User")
    status, team = client.github(f"/orgs/{demo.GITHUB_OWNER}/teams/{demo.REVIEWER_TEAM['team']}")
    assert (status, team["id"], team["slug"]) == (200, demo.REVIEWER_TEAM["id"], demo.REVIEWER_TEAM["team"])
    assert client.github("/users/nobody")[0] == 404
    assert client.github(f"/orgs/{demo.GITHUB_OWNER}/teams/nobody")[0] == 404
    assert client.github(f"/orgs/other/teams/{demo.REVIEWER_TEAM['team']}")[0] == 404


def test_a_repository_tells_its_visibility(client: Client) -> None:
    status, repository = client.github(REPOSITORY)
    assert (status, repository["visibility"], repository["private"]) == (200, "public", False)
    assert client.github(f"/repos/{demo.GITHUB_OWNER}/other")[0] == 404
    assert client.github(f"/repos/other/{demo.APP_REPOSITORY}")[0] == 404


def test_environments_are_listed_as_the_integration_made_them(client: Client) -> None:
    status, answer = client.github(f"{REPOSITORY}/environments")
    assert (status, answer["total_count"]) == (200, 2)
    for environment, name in zip(answer["environments"], ("Preview", "Production"), strict=True):
        assert environment["name"] == name
        assert environment["protection_rules"] == []
        assert (environment["deployment_branch_policy"], environment["can_admins_bypass"]) == (None, True)


def test_an_environment_is_found_in_any_case_with_the_rules_it_has(client: Client) -> None:
    account = client.account("github")
    reviewers = {"users": [demo.REVIEWER_USER["id"]], "teams": [demo.REVIEWER_TEAM["id"]]}
    policy = {"protectedBranches": False, "customBranchPolicies": True}
    put_environment(
        account,
        "Production",
        waitTimer=30,
        reviewers=reviewers,
        preventSelfReview=True,
        deploymentBranchPolicy=policy,
    )
    account.close()
    status, environment = client.github(f"{REPOSITORY}/environments/production")
    assert status == 200
    wait, review, branches = environment["protection_rules"]
    assert (wait["type"], wait["wait_timer"]) == ("wait_timer", 30)
    assert (review["prevent_self_review"], [each["type"] for each in review["reviewers"]]) == (
        True,
        ["User", "Team"],
    )
    assert [each["reviewer"]["id"] for each in review["reviewers"]] == [1001, 2001]
    assert branches["type"] == "branch_policy"
    assert environment["deployment_branch_policy"] == {
        "protected_branches": False,
        "custom_branch_policies": True,
    }
    assert client.github(f"{REPOSITORY}/environments/other")[0] == 404


def test_secrets_are_listed_without_values_and_variables_with_them(client: Client) -> None:
    account = client.account("github")
    put_environment(account, "with space/and slash")
    times = dict.fromkeys(("created_at", "updated_at"), "2026-03-01 10:20:30.123456 +0000 UTC")
    scope = {"repository": demo.APP_REPOSITORY, "environment": "with space/and slash"}
    for kind in ("secret", "variable"):
        account.put(kind, "one", {**scope, "name": "ONE", "value": "canary-value", **times})
        repository = {"repository": demo.APP_REPOSITORY, "name": "TWO", "value": "canary-value"}
        account.put(kind, "two", {**repository, **times})
    account.close()
    environment = f"{REPOSITORY}/environments/with%20space%2Fand%20slash"
    stamp = dict.fromkeys(("created_at", "updated_at"), "2026-03-01T10:20:30Z")
    assert client.github(f"{environment}/secrets") == (
        200,
        {"total_count": 1, "secrets": [{"name": "ONE", **stamp}]},
    )
    assert client.github(f"{environment}/variables")[1]["variables"] == [
        {"name": "ONE", "value": "canary-value", **stamp}
    ]
    assert client.github(f"{REPOSITORY}/actions/secrets")[1]["secrets"] == [{"name": "TWO", **stamp}]
    assert client.github(f"{REPOSITORY}/environments/other/secrets")[0] == 404


def test_policies_and_rulesets_are_listed_with_their_ids(client: Client) -> None:
    account = client.account("github")
    policy = {"repository": demo.APP_REPOSITORY, "environment": "Production", "type": "tag", "name": "v*"}
    account.put("policy", "77", policy)
    ruleset = {"repository": demo.APP_REPOSITORY, "name": "main", "target": "branch", "enforcement": "active"}
    account.put("ruleset", "88", ruleset)
    account.close()
    _, answer = client.github(f"{REPOSITORY}/environments/PRODUCTION/deployment-branch-policies")
    assert [(each["id"], each["name"], each["type"]) for each in answer["branch_policies"]] == [
        (77, "v*", "tag")
    ]
    _, rulesets = client.github(f"{REPOSITORY}/rulesets")
    assert [(each["id"], each["name"], each["enforcement"]) for each in rulesets] == [(88, "main", "active")]
    assert client.github(f"/repos/{demo.GITHUB_OWNER}/{demo.INFRA_REPOSITORY}/rulesets") == (200, [])


def test_github_lists_are_paged_with_a_link_to_the_next(client: Client) -> None:
    account = client.account("github")
    for number in range(31):
        entry = {"repository": demo.APP_REPOSITORY, "name": f"V{number:02}", "value": "v"}
        account.put("variable", f"v{number}", entry)
    account.close()
    url = f"{client.api.github_url}{REPOSITORY}/actions/variables"
    seen: list[str] = []
    pages = 0
    while url:
        _, answer, headers = client.call("GET", url, token=demo.GITHUB_TOKEN)
        assert answer["total_count"] == 31
        seen += [variable["name"] for variable in answer["variables"]]
        following = re.search(r'<([^>]*)>; rel="next"', headers["Link"] or "")
        url = following[1] if following else ""
        pages += 1
    assert (pages, len(seen), len(set(seen))) == (2, 31, 31)
    assert len(client.github(f"{REPOSITORY}/actions/variables", per_page="100")[1]["variables"]) == 31


# --- what is refused ------------------------------------------------------------------------------

KNOWN, UNKNOWN = demo.RELEASES[0], "f" * 40
ISSUES, COMMENTS = f"{REPOSITORY}/issues", f"{REPOSITORY}/issues/comments"
POLICIES = f"{REPOSITORY}/environments/Production/deployment-branch-policies"
LONG = "x" * 65_537


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", f"{REPOSITORY}/commits/{UNKNOWN}/check-runs", None, 422),
        ("GET", f"{REPOSITORY}/commits/{UNKNOWN}/pulls", None, 422),
        ("GET", f"{REPOSITORY}/compare/{KNOWN}...{UNKNOWN}", None, 404),
        ("GET", f"{REPOSITORY}/compare/{UNKNOWN}...{KNOWN}", None, 404),
        ("GET", f"{REPOSITORY}/actions/workflows/none.yml/runs", None, 404),
        ("GET", f"{REPOSITORY}/rulesets/999", None, 404),
        ("GET", "/orgs/other", None, 404),
        ("GET", f"/repos/other/{demo.APP_REPOSITORY}/actions/permissions", None, 404),
        ("GET", f"/repos/other/{demo.APP_REPOSITORY}/issues", None, 404),
        ("POST", ISSUES, {}, 422),
        ("POST", ISSUES, {"title": " "}, 422),
        ("POST", ISSUES, {"title": "t" * 257}, 422),
        ("POST", ISSUES, {"title": "t", "body": LONG}, 422),
        ("POST", ISSUES, {"title": "t", "labels": "drift"}, 422),
        ("PATCH", f"{ISSUES}/7", {"state": "solved"}, 422),
        ("PATCH", f"{ISSUES}/7", {"body": LONG}, 422),
        ("PATCH", f"{ISSUES}/999", {"state": "closed"}, 404),
        ("GET", f"{ISSUES}/999/comments", None, 404),
        ("POST", f"{ISSUES}/999/comments", {"body": "b"}, 404),
        ("POST", f"{ISSUES}/7/comments", {}, 422),
        ("POST", f"{ISSUES}/7/comments", {"body": LONG}, 422),
        ("PATCH", f"{COMMENTS}/999", {"body": "b"}, 404),
        ("PATCH", f"{COMMENTS}/500", {"body": ""}, 422),
        ("DELETE", f"{COMMENTS}/999", None, 404),
        ("DELETE", f"{POLICIES}/999", None, 404),
        ("DELETE", f"{REPOSITORY}/environments/Preview/deployment-branch-policies/77", None, 404),
        ("PUT", f"{ISSUES}/7", {"state": "closed"}, 404),  # no such methods
        ("POST", f"{REPOSITORY}/commits/{KNOWN}/check-runs", {"name": "build"}, 404),
        ("DELETE", f"{ISSUES}/7", None, 404),
    ],
)  # fmt: skip
def test_github_refuses_what_is_missing_too_long_unknown_or_no_method(
    client: Client, method: str, path: str, body: object, status: int
) -> None:
    account = client.account("github")
    app = {"repository": demo.APP_REPOSITORY}
    user = {"login": "mina", "type": "User"}
    issue = {**app, "number": 7, "title": "t", "body": "", "state": "open", "labels": [], "user": user}
    account.put("issue", f"{demo.APP_REPOSITORY}#7", {**issue, "pullRequest": False})
    account.put("comment", "500", {**app, "issue": 7, "body": "b", "user": user})
    account.put("policy", "77", {**app, "environment": "Production", "type": "branch", "name": "main"})
    before = account.dump()
    answer = client.call(method, client.api.github_url + path, body, demo.GITHUB_TOKEN)
    assert (answer[0], account.dump()) == (status, before), answer[1]
    account.close()


@pytest.mark.parametrize(
    ("path", "needed"),
    [
        (f"{REPOSITORY}/actions/permissions", "administration"),
        (f"{REPOSITORY}/environments", "actions"),
        (POLICIES, "actions"),
        (f"{REPOSITORY}/environments/Production/secrets", "environments"),
        (f"{REPOSITORY}/actions/workflows/migrate.yml/runs", "actions"),
        (f"{REPOSITORY}/actions/workflows", "actions"),
        (f"{REPOSITORY}/commits/{KNOWN}/check-runs", "checks"),
        (f"{REPOSITORY}/commits/{KNOWN}/pulls", "pull_requests"),
        (f"{REPOSITORY}/compare/{KNOWN}...{KNOWN}", "contents"),
        (ISSUES, "issues"),
        (f"{ISSUES}/7/comments", "issues; pull_requests"),
        (f"/orgs/{demo.GITHUB_OWNER}/teams/{demo.REVIEWER_TEAM['team']}", "members"),
        (f"/orgs/{demo.GITHUB_OWNER}/teams/{demo.REVIEWER_TEAM['team']}{REPOSITORY}", "members"),
    ],
)
def test_a_token_without_the_permission_is_refused_and_told_which_one(
    client: Client, path: str, needed: str
) -> None:
    account = client.account("github")
    account.put("token", "current", {"lacks": needed.split("; ")})
    account.close()
    status, answer, headers = client.call("GET", client.api.github_url + path, token=demo.GITHUB_TOKEN)
    assert (status, answer["message"]) == (403, "Resource not accessible by personal access token")
    told = headers["X-Accepted-GitHub-Permissions"]
    assert told == "; ".join(f"{each}=read" for each in needed.split("; "))


def test_an_environment_is_written_whole_and_a_reviewer_without_access_is_left_out_with_200(
    client: Client,
) -> None:
    user, team = demo.REVIEWER_USER, demo.REVIEWER_TEAM
    place = f"{REPOSITORY}/environments/production"
    asked = [{"type": "User", "id": user["id"]}, {"type": "Team", "id": team["id"]}]
    teams = f"/orgs/{demo.GITHUB_OWNER}/teams/{team['team']}{REPOSITORY}"
    people = f"{REPOSITORY}/collaborators/{user['user']}"

    def kept() -> list[int]:
        status, answer = client.github(place, {"reviewers": asked, "wait_timer": 3}, method="PUT")
        assert (status, answer["can_admins_bypass"]) == (200, True)
        rules = {each["type"]: each for each in answer["protection_rules"]}
        assert rules["wait_timer"]["wait_timer"] == 3
        return [each["reviewer"]["id"] for each in rules.get("required_reviewers", {}).get("reviewers", [])]

    assert kept() == [user["id"], team["id"]]
    assert [client.github(path)[0] for path in (teams, people)] == [204, 204]
    account = client.account("github")
    repository = account.get("repository", demo.APP_REPOSITORY) or {}
    account.put("repository", demo.APP_REPOSITORY, {**repository, "access": {"users": [user["id"]]}})
    assert kept() == [user["id"]]
    assert [client.github(path)[0] for path in (teams, people)] == [404, 204]
    account.close()


def test_who_may_bypass_a_ruleset_is_told_to_a_writer_alone(client: Client) -> None:
    account = client.account("github")
    ruleset = {"repository": demo.APP_REPOSITORY, "name": "main", "target": "branch", "enforcement": "active"}
    account.put("ruleset", "88", ruleset)
    account.close()
    url = f"{client.api.github_url}{REPOSITORY}/rulesets/88"
    for token, told in ((demo.GITHUB_TOKEN, True), (demo.GITHUB_READ_TOKEN, False)):
        status, answer, _ = client.call("GET", url, token=token)
        assert (status, "bypass_actors" in answer) == (200, told)


def test_a_token_that_only_reads_writes_nothing(client: Client) -> None:
    for method, path, body in (
        ("POST", ISSUES, {"title": "t"}),
        ("POST", f"{ISSUES}/7/comments", {"body": "b"}),
        ("PATCH", f"{ISSUES}/7", {"state": "closed"}),
        ("DELETE", f"{POLICIES}/77", None),
    ):
        status, answer, _ = client.call(method, client.api.github_url + path, body, demo.GITHUB_READ_TOKEN)
        assert (status, answer["message"]) == (403, "Resource not accessible by integration")
    assert client.call("GET", client.api.github_url + ISSUES, token=demo.GITHUB_READ_TOKEN)[0] == 200


GOOD = {"operation": "upsert", "key": "new", "value": "1"}
ITEMS = "/v1/edge-config/ecfg_1/items"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PATCH", "/v1/edge-config/ecfg_other/items", {"items": []}, 404),
        ("PATCH", "/v1/edge-config/ecfg_foreign/items", {"items": []}, 404),
        ("PATCH", ITEMS, {}, 400),
        ("PATCH", ITEMS, {"items": [{"operation": "create", "key": "battle", "value": "on"}]}, 409),
        ("PATCH", ITEMS, {"items": [{"operation": "update", "key": "other", "value": "on"}]}, 404),
        ("PATCH", ITEMS, {"items": [{"operation": "delete", "key": "other"}]}, 404),
        ("PATCH", ITEMS, {"items": [{"operation": "set", "key": "battle", "value": "on"}]}, 400),
        ("PATCH", ITEMS, {"items": [{"operation": "upsert", "key": "a b", "value": "on"}]}, 400),
        ("PATCH", ITEMS, {"items": [{"operation": "upsert", "key": "battle"}]}, 400),
        ("PATCH", ITEMS, {"items": [GOOD, {"operation": "set", "key": "x"}]}, 400),  # all or none
        ("PUT", ITEMS, {"items": []}, 404),
        ("DELETE", f"/v4/aliases/{demo.PRODUCTION_DOMAIN}", None, 404),
        ("POST", "/v13/deployments", {"name": "x"}, 404),
        ("POST", f"/v10/projects/other/promote/{seeds.VARIABLES['NEXT_PUBLIC_APP_URL']}", None, 404),
        ("GET", "/v2/teams/other", None, 404),
    ],
)  # fmt: skip
def test_vercel_refuses_what_is_missing_unknown_or_no_method(
    client: Client, method: str, path: str, body: object, status: int
) -> None:
    account = client.account()
    times = {"createdAt": 1, "updatedAt": 1}
    account.put("edgeConfig", "ecfg_1", {"name": "one", "teamId": demo.VERCEL_TEAM_ID, **times})
    account.put("edgeConfig", "ecfg_foreign", {"name": "two", "teamId": "team_other", **times})
    item = {"edgeConfigId": "ecfg_1", "key": "battle", "value": "on", "updatedAt": 1}
    account.put("edgeConfigItem", "ecfg_1/battle", item)
    before = account.dump()
    answer = client.vercel(path, body, method=method)
    assert (answer[0], account.dump()) == (status, before), answer[1]
    account.close()


def test_a_reader_of_an_edge_config_needs_the_token_of_just_this_one(client: Client) -> None:
    account = client.account()
    account.put("edgeConfigToken", "t", {"edgeConfigId": "ecfg_1", "token": "right"})
    item = {"edgeConfigId": "ecfg_1", "key": "battle", "value": "on", "updatedAt": 1}
    account.put("edgeConfigItem", "ecfg_1/battle", item)
    account.close()

    def ask(path: str) -> int:
        return client.call("GET", client.api.edge_config_url + path)[0]

    assert ask("/ecfg_1/item/battle?token=right") == 200
    assert [ask(f"/ecfg_1/item/battle{query}") for query in ("", "?token=wrong")] == [401, 401]
    assert ask("/ecfg_2/item/battle?token=right") == 401
    assert ask("/ecfg_1/item/other?token=right") == 404
