"""What a refresh cannot see, because the plugins do not read it: the services' own APIs are asked.

Reviewers removed from a GitHub environment, branch policies added to it, GitHub secrets and sensitive Vercel
variables written again by hand. Values of secrets are readable by nobody, so the time of the last write is
compared: at GitHub with the one that the provider recorded in the state after its own write, at Vercel,
whose provider records none, with the engine's own time of that write (ADR 0053).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from operations.services.accounts import GitHubAccount, Json, VercelAccount
from operations.services.approval import reviewers, sorted_ids

# Vercel's clock and that of the machine that applied may differ by this much.
CLOCK_SKEW: Final = timedelta(seconds=30)

ENVIRONMENT: Final = "github:index/repositoryEnvironment:RepositoryEnvironment"
POLICY: Final = "github:index/repositoryEnvironmentDeploymentPolicy:RepositoryEnvironmentDeploymentPolicy"
SECRET: Final = "github:index/actionsEnvironmentSecret:ActionsEnvironmentSecret"  # noqa: S105  a type
RULESET: Final = "github:index/repositoryRuleset:RepositoryRuleset"
VARIABLE: Final = "vercel:index/projectEnvironmentVariable:ProjectEnvironmentVariable"

# In the state in place of a value that somebody else wrote: it differs from any declared one.
BY_HAND: Final = "written by hand"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One change by hand. `keep` says how to keep it instead of taking it back.

    `note` is what the state has to say for the engine to write again, of what nobody can read;
    `environment` (repository, name) is one whose protection is written whole by GitHub's own API; `policy`
    (repository, environment, id) is an object that nobody declared. `covers`: property paths, by their
    beginning, of which a refresh would only say the same again.
    """

    name: str
    where: str
    what: str
    urn: str = ""
    keep: str = ""
    note: Mapping[str, str] | None = None
    environment: tuple[str, str] | None = None
    policy: tuple[str, str, int] | None = None
    covers: tuple[str, ...] = ()


@dataclass(kw_only=True)
class Unseen:
    """What the APIs told. `unchecked` could not be asked this time, `untold` never is to such a token.

    `unreadable_bypass`: rulesets whose bypass actors the token may not read.
    """

    findings: list[Finding] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)
    unreadable_bypass: set[str] = field(default_factory=set)


def inspect(state: list[Json], vercel: VercelAccount, github: GitHubAccount) -> Unseen:
    """Ask about every resource of the state that a refresh cannot judge alone."""
    found = Unseen()
    live = {item["id"]: item for item in vercel.variables()}
    for resource in state:
        match resource["type"]:
            case t if t == ENVIRONMENT:
                _environment(resource, state, github, found)
            case t if t == RULESET:
                _ruleset(resource, github, found)
            case t if t == VARIABLE and resource["outputs"].get("sensitive"):
                found.findings += _variable(resource, live.get(resource["id"]))
    return found


def name_of(resource: Json) -> str:
    """The logical name, which `adopt:` and `--mend` use."""
    return str(resource["urn"].split("::")[-1])


def where(resource: Json) -> str:
    """A resource as a person knows it."""
    kind, name = resource["type"].split(":")[-1], name_of(resource)
    of = {**(resource.get("inputs") or {}), **(resource.get("outputs") or {})}
    of["pattern"] = of.get("branchPattern") or of.get("tagPattern")
    of["scope"] = name.removeprefix(f"web-variable-{of.get('key')}-")
    if kind in WHERE:
        return WHERE[kind].format_map(of)
    return f"{resource['type'].split(':')[0]} {kind} {of.get('name') or name}"


WHERE: Final = {
    "ActionsEnvironmentSecret": "GitHub secret {repository}:{environment}:{secretName}",
    "ActionsEnvironmentVariable": "GitHub variable {repository}:{environment}:{variableName}",
    "Alias": "domain {alias}",
    "EdgeConfigItem": "kill switch {key}",
    "Project": "Vercel project {name}",
    "ProjectDomain": "Vercel domain {domain}",
    "ProjectEnvironmentVariable": "Vercel variable {key} ({scope})",
    "RepositoryEnvironment": "GitHub environment {repository}:{environment}",
    "RepositoryEnvironmentDeploymentPolicy": "GitHub deployment policy {repository}:{environment}:{pattern}",
    "RepositoryRuleset": "GitHub ruleset {repository}:{name}",
    "Service": "Docker service {name}",
}


# --- GitHub ----------------------------------------------------------------------------------------------


def _environment(resource: Json, state: list[Json], github: GitHubAccount, found: Unseen) -> None:
    repository, name = resource["inputs"]["repository"], resource["inputs"]["environment"]
    live = github.environment(repository, name)
    if live is None:
        return  # a refresh sees it
    there = reviewers(live)
    applied = sorted_ids((resource["outputs"].get("reviewers") or [{}])[0])
    if applied != there:
        told = "nobody has to approve a deployment any more" if not any(there.values()) else _people(there)
        found.findings.append(
            Finding(
                name=name_of(resource),
                urn=resource["urn"],
                where=where(resource),
                what=f"{told}; applied: {_people(applied)}",
                environment=(repository, name),
            )
        )
    below = [r for r in state if _belongs(r, repository, name)]
    if resource["outputs"].get("deploymentBranchPolicy"):
        found.findings += _policies(resource, below, github)
    secrets = [r for r in below if r["type"] == SECRET]
    if secrets:
        times = github.secrets(repository, name)
        for secret in secrets:
            _secret(secret, times.get(secret["inputs"]["secretName"].upper()), found)


def _belongs(resource: Json, repository: str, environment: str) -> bool:
    inputs = resource.get("inputs") or {}
    return bool(inputs.get("repository") == repository and inputs.get("environment") == environment)


def _people(reviewers: Mapping[str, list[int]]) -> str:
    named = [f"{kind.removesuffix('s')} {id}" for kind, ids in reviewers.items() for id in ids]
    return f"reviewers {', '.join(named)}" if named else "no reviewers"


def _policies(environment: Json, below: list[Json], github: GitHubAccount) -> Iterator[Finding]:
    """Policies that nobody declared: each opens the environment to one more branch or tag."""
    repository, name = environment["inputs"]["repository"], environment["inputs"]["environment"]
    declared = {
        (r["inputs"].get("branchPattern"), "branch")
        if r["inputs"].get("branchPattern")
        else (r["inputs"].get("tagPattern"), "tag")
        for r in below
        if r["type"] == POLICY
    }
    for policy in github.policies(repository, name):
        kind = policy.get("type") or "branch"
        if (policy["name"], kind) not in declared:
            yield Finding(
                name=f"{repository}:{name}:{kind}:{policy['name']}",
                where=where(environment),
                what=f"the {kind} {policy['name']} may deploy, which nobody declared",
                policy=(repository, name, int(policy["id"])),
            )


def _secret(resource: Json, live: str | None, found: Unseen) -> None:
    if live is None:
        return  # a refresh sees it
    written = str(resource["outputs"].get("updatedAt") or "")
    if not written:
        found.unchecked.append(f"{where(resource)}: the state does not know when it was written")
    elif _second(live) > _second(written):
        found.findings.append(
            Finding(
                name=name_of(resource),
                urn=resource["urn"],
                where=where(resource),
                what=f"was written by somebody else at {live}; whether the value differs, nobody can read",
                note={"value": BY_HAND},
            )
        )


def _second(time: str) -> datetime:
    """GitHub's times are whole seconds in UTC, in the API's form or in Go's: `2026-11-25 10:16:42 +0000`."""
    return datetime.fromisoformat(time[:19].replace(" ", "T"))


def _ruleset(resource: Json, github: GitHubAccount, found: Unseen) -> None:
    """`bypass_actors` is left out of the answer to a token that may not write rulesets."""
    repository, id = resource["inputs"]["repository"], resource["id"].split(":")[-1]
    live = github.ruleset(repository, id)
    if live is not None and "bypass_actors" not in live:
        found.unreadable_bypass.add(resource["urn"])
        found.untold.append(
            f"{where(resource)}: who may bypass it, which GitHub tells only a token that may write rulesets"
        )


# --- Vercel ----------------------------------------------------------------------------------------------


def _variable(resource: Json, live: Json | None) -> Iterator[Finding]:
    if live is None:
        return  # a refresh sees it
    written = datetime.fromisoformat(resource["modified"])
    changed = datetime.fromtimestamp(live["updatedAt"] / 1000, UTC)
    if changed > written + CLOCK_SKEW:
        yield Finding(
            name=name_of(resource),
            urn=resource["urn"],
            where=where(resource),
            what=f"was written by somebody else at {changed:%Y-%m-%dT%H:%M:%SZ}; whether the value differs, "
            "nobody can read; builds made since carry it until they are made again",
            note={"value": BY_HAND},
        )
