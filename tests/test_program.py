"""The whole program, once per committed stack file: what each stack declares, read off the matrix.

`__main__.py` runs as the engine runs it, from the stack files in a folder, with the rehearsal's values in
place of the placeholders.
"""

import ast
import runpy
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi
import pytest

from plan.assignments import assignments
from plan.protection import environment_rules, rulesets
from plan.rows import Class, Store
from plan.settings import PROJECT, Settings
from plan.traffic import vercel_rules
from tests.builders import ROOT, StackFile, committed, monitored, production, staging
from tests.components.recording import CONNECTION, Declared, Recorded, record
from tests.plan.test_socket import with_release

MAIN = ROOT / "__main__.py"


def run(file: StackFile, folder: Path, *siblings: StackFile, into: Recorded | None = None) -> Recorded:
    """`__main__.py` on a stack file, beside Pulumi.yaml and the other stack files."""
    (folder / "Pulumi.yaml").write_text((ROOT / "Pulumi.yaml").read_text())
    for each in (file, *siblings):
        each.write(folder)
    config = {f"{PROJECT}:{key}": value for key, value in file.raw().items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pulumi, "get_root_directory", lambda: str(folder))
        patch.setenv("PULUMI_CONFIG", "{}")
        pulumi.runtime.set_all_config(config, [f"{PROJECT}:{key}" for key in file.secrets])
        try:
            return record(lambda: runpy.run_path(str(MAIN), run_name="__main__"), file.stack, into)
        finally:
            pulumi.runtime.set_all_config({}, [])


FILES = {"staging": staging(), "production": production()}


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Recorded]:
    both = list(FILES.values())
    return {
        file.stack: run(file, tmp_path_factory.mktemp(file.stack), *(f for f in both if f is not file))
        for file in both
    }


STACKS = pytest.mark.parametrize("stack", FILES)


def outputs(recorded: Recorded) -> dict[str, Any]:
    return recorded.outputs[f"paintshare-{recorded.stack}"]


# --- how much of what --------------------------------------------------------------------------------


def expected(file: StackFile) -> Counter[str]:
    """Resources per kind, read off matrix, protection rows and stack file."""
    settings = file.settings()
    github = list(assignments(settings, Store.GITHUB))
    places = [(rule, a) for rule in environment_rules(settings) for a in github if a.environment == rule.name]
    secret = [a for _, a in places if a.row.kind is Class.SECRET]
    releases = [sha for sha in (settings.release, settings.previous_release) if sha]
    found = {
        "vercel": 1,
        "github": 1,
        "docker": 1 + bool(settings.monitor_host),
        "WebApp": 1,
        "SocketServer": 1,
        "TrafficAlerts": 1,
        "UptimeChecks": 1,
        "ScrapeAgent": 1,
        "DeploymentGate": 1,
        "Project": int(bool(settings.vercel_project)),
        "CustomEnvironment": int(settings.vercel_target == "custom"),
        "ProjectEnvironmentVariable": len(list(assignments(settings, Store.VERCEL))),
        "ProjectDomain": 1 + len(settings.redirect_domains),
        "EdgeConfig": 1,
        "EdgeConfigToken": 1,
        "EdgeConfigItem": 1,
        "Deployment": len(releases) if settings.vercel_target == "production" else 1,
        "Alias": int(bool(settings.release)),
        "RepositoryEnvironment": len(environment_rules(settings)),
        "RepositoryEnvironmentDeploymentPolicy": sum(
            len(rule.branches) + len(rule.tags) for rule in environment_rules(settings)
        ),
        "ActionsEnvironmentSecret": len(secret),
        "ActionsEnvironmentVariable": len(places) - len(secret),
        "RepositoryRuleset": len(rulesets(settings)),
        **_traffic(settings),
    }
    return Counter({kind: number for kind, number in found.items() if number})


def _traffic(settings: Settings) -> dict[str, int]:
    """Each rule at Vercel with a link to the Slack channel and one to the webhook."""
    rules = len(vercel_rules(settings))
    kinds = ("CustomAlertRule", "AlertRuleSlackNotification", "AlertRuleWebhookNotification")
    return {**dict.fromkeys(kinds, rules), "Webhook": int(bool(rules))}


@STACKS
def test_each_stack_declares_what_matrix_and_rows_say_and_nothing_else(
    programs: dict[str, Recorded], stack: str
) -> None:
    found = Counter(r.kind for r in programs[stack] if r.kind != "Stack")
    assert found == expected(FILES[stack])


@STACKS
def test_each_variable_is_declared_once_per_environment_under_its_name(
    programs: dict[str, Recorded], stack: str
) -> None:
    found = {r.name for r in programs[stack].of("ProjectEnvironmentVariable")}
    assert found == {
        f"web-variable-{a.row.key}-{a.environment}"
        for a in assignments(FILES[stack].settings(), Store.VERCEL)
    }


@STACKS
def test_everything_but_the_providers_stands_below_a_component(
    programs: dict[str, Recorded], stack: str
) -> None:
    traffic = {"traffic"} if FILES[stack].config.get("vercelAlerts") else set()
    assert {r.parent for r in programs[stack].children()} == {"web", "gate", *traffic}
    top = {r.name for r in programs[stack] if r.parent == f"paintshare-{stack}"}
    assert top == {
        "vercel",
        "github",
        "socket-host",
        "web",
        "gate",
        "socket",
        "traffic",
        "uptime",
        "agent",
    }


@STACKS
def test_logical_names_are_unique_in_a_stack(programs: dict[str, Recorded], stack: str) -> None:
    assert max(Counter(r.name for r in programs[stack]).values()) == 1


@STACKS
def test_each_child_uses_the_explicit_provider_of_its_service(
    programs: dict[str, Recorded], stack: str
) -> None:
    for child in programs[stack].children():
        assert child.provider == child.type.split(":")[0]


@STACKS
def test_the_providers_get_team_and_owner_from_the_stack_file(
    programs: dict[str, Recorded], stack: str
) -> None:
    settings = FILES[stack].settings()
    assert programs[stack].named("vercel").inputs["team"] == settings.vercel_team
    assert programs[stack].named("github").inputs["owner"] == settings.github_owner


def test_no_token_of_the_environment_reaches_the_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "t0ken-of-github")
    monkeypatch.setenv("VERCEL_API_TOKEN", "t0ken-of-vercel-000000000")
    for resource in run(staging(), tmp_path, production()):
        assert "t0ken" not in str(resource)


def test_a_release_of_the_socket_server_is_declared_on_its_host(tmp_path: Path) -> None:
    recorded = run(with_release(staging), tmp_path, production())
    found = [r for r in recorded.children() if r.type.startswith("docker:")]
    assert found
    assert {(r.parent, r.provider) for r in found} == {("socket", "socket-host")}
    assert recorded.named("socket-host").inputs["host"] == staging().config["socketHost"]


# --- outputs -----------------------------------------------------------------------------------------


def test_a_stack_exports_its_url_and_environments_and_production_what_it_serves(
    programs: dict[str, Recorded],
) -> None:
    assert outputs(programs["staging"])["url"] == "https://staging.share-paint.app"
    assert set(outputs(programs["staging"])) == {"url", "environments"}
    assert set(outputs(programs["production"])) == {"url", "environments", "servedDeployment"}
    release = FILES["production"].config["release"]
    assert outputs(programs["production"])["servedDeployment"] == f"web-release-{release}-id"


@STACKS
def test_no_secret_is_exported(programs: dict[str, Recorded], stack: str) -> None:
    text = str(outputs(programs[stack]))
    assert not any(value in text for value in (*FILES[stack].secrets.values(), CONNECTION))


# --- who owns what -----------------------------------------------------------------------------------

# What makes an object of the real world the same one, whatever its logical name.
KEYS = {
    "Project": ("name",),
    "CustomEnvironment": ("projectId", "name"),
    "ProjectDomain": ("domain",),
    "EdgeConfig": ("name",),
    "EdgeConfigItem": ("edgeConfigId", "key"),
    "Alias": ("alias",),
    "RepositoryEnvironment": ("repository", "environment"),
    "RepositoryEnvironmentDeploymentPolicy": ("repository", "environment", "branchPattern", "tagPattern"),
    "ActionsEnvironmentSecret": ("repository", "environment", "secretName"),
    "ActionsEnvironmentVariable": ("repository", "environment", "variableName"),
    "RepositoryRuleset": ("repository", "name"),
    "CustomAlertRule": ("projectId", "name"),
    "AlertRuleSlackNotification": ("alertRuleId", "slackChannelId"),
    "AlertRuleWebhookNotification": ("alertRuleId", "webhookId"),
    "Webhook": ("endpoint",),
}
# Created anew at every change; two of them are two objects.
NO_KEY = {"Deployment", "EdgeConfigToken"}


def objects(recorded: Recorded) -> Iterator[tuple[str, ...]]:
    for resource in recorded.children():
        if resource.kind == "ProjectEnvironmentVariable":
            yield from (("variable", resource.inputs["key"], place) for place in places_of(resource))
        elif resource.kind not in NO_KEY:
            values = [str(resource.inputs.get(key)) for key in KEYS[resource.kind]]
            # Both stacks name their own Edge Config `web-edge-config`; its physical name tells them apart.
            values = [v.replace("web-edge-config-id", f"{recorded.stack}'s") for v in values]
            yield (resource.kind, *(value.lower() for value in values))


def places_of(variable: Declared) -> list[str]:
    custom: list[str] = variable.inputs.get("customEnvironmentIds", [])
    return [f"{t}@{variable.inputs.get('gitBranch')}" for t in variable.inputs.get("targets", [])] + custom


def test_no_object_of_the_real_world_belongs_to_both_stacks(programs: dict[str, Recorded]) -> None:
    mine, yours = (Counter(objects(programs[stack])) for stack in ("staging", "production"))
    assert mine.keys() & yours.keys() == set()
    assert max([*mine.values(), *yours.values()]) == 1
    assert len(mine) > 20
    assert len(yours) > 20


def test_the_project_and_what_exists_once_belong_to_production(programs: dict[str, Recorded]) -> None:
    assert programs["staging"].of("Project") == []
    assert len(programs["production"].of("Project")) == 1
    refs = {
        stack: {
            r.inputs["conditions"]["refName"]["includes"][0] for r in programs[stack].of("RepositoryRuleset")
        }
        for stack in programs
    }
    assert refs == {
        "staging": {"refs/heads/develop"},
        "production": {"refs/heads/main", "refs/tags/v*"},
    }


def test_preview_belongs_to_staging_on_both_services(programs: dict[str, Recorded]) -> None:
    def preview(recorded: Recorded) -> set[str]:
        return {r.kind for r in recorded.children() if r.name.endswith("-preview") or "-preview-" in r.name}

    assert preview(programs["staging"]) == {
        "ProjectEnvironmentVariable",
        "RepositoryEnvironment",
        "ActionsEnvironmentVariable",
    }
    assert preview(programs["production"]) == set()


# --- a bad stack file ----------------------------------------------------------------------------------


@STACKS
def test_the_committed_file_as_it_is_ends_before_anything_is_registered(tmp_path: Path, stack: str) -> None:
    other = "production" if stack == "staging" else "staging"
    declared = Recorded(stack)
    with pytest.raises(pulumi.RunError) as raised:
        run(committed(stack), tmp_path, committed(other), into=declared)
    assert [r.kind for r in declared] == ["Stack"]
    assert f"stack `{stack}` has" in str(raised.value)
    assert "githubOwner: still holds the placeholder" in str(raised.value)


def test_the_program_compares_with_the_other_stack_file_of_its_folder(tmp_path: Path) -> None:
    clash = production(socketHttpsPort=staging().config["socketHttpsPort"])
    with pytest.raises(pulumi.RunError, match="taken by stack `staging`"):
        run(clash, tmp_path, staging())


# --- a table of contents ----------------------------------------------------------------------------------


def test_the_program_is_a_table_of_contents() -> None:
    source = MAIN.read_text()
    code = [line for line in source.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert len(code) <= 60
    tree = ast.parse(source)
    branches = ast.If | ast.IfExp | ast.While | ast.Match | ast.Try | ast.FunctionDef | ast.ClassDef
    assert [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, branches)] == []
    loops = [node for node in ast.walk(tree) if isinstance(node, ast.For | ast.comprehension)]
    # The one loop names outputs; what is declared never depends on a loop here.
    assert [ast.unparse(loop).splitlines()[1:] for loop in loops] == [["    pulumi.export(name, value)"]]


def test_every_service_on_a_docker_host_is_asked_what_became_of_its_update(tmp_path: Path) -> None:
    """Swarm goes back to the configuration before without a word, and the engine notes the new one."""
    file = monitored(staging())
    file.config["monitorHost"] = "unix:///none.sock"
    services = run(file, tmp_path, production()).of("Service")
    assert {each.name for each in services if each.options.get("hooks", {}).get("afterUpdate")} == {
        "socket-service", "socket-proxy", "agent-agent",
        *(f"uptime-{role}" for role in ("prometheus", "alertmanager", "blackbox", "proxy")),
    } == {each.name for each in services}  # fmt: skip
