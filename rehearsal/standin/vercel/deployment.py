"""Deployments: builds of a commit with the variables of that moment."""

from typing import Any, ClassVar, Final

from rehearsal.standin.account import Account, Document, new_id
from rehearsal.standin.kinds import Failure, Properties, Read, ServiceError
from rehearsal.standin.rest import Answer, Query, Route
from rehearsal.standin.vercel.domain import domains_of
from rehearsal.standin.vercel.service import (
    VercelKind,
    asked_project,
    asked_team,
    find_environment,
    now,
    page_of,
    project_of,
    repository_of,
    stated,
)
from rehearsal.standin.vercel.variable import variables_of


class Deployment(VercelKind):
    type = "vercel:index/deployment:Deployment"
    document = "deployment"
    replace_on = frozenset(
        {
            *("customEnvironmentId", "environment", "files", "meta", "pathPrefix", "production", "projectId"),
            *("projectSettings", "ref", "teamId"),
        }
    )
    kept = VercelKind.kept | {"meta"}
    computed = frozenset({"domains", "url"})
    recomputed = frozenset({"domains"})
    _stated: ClassVar = ("deleteOnDestroy", "environment", "files", "pathPrefix", "projectSettings", "meta")

    def check(self, inputs: Properties) -> list[Failure]:
        if (inputs.get("ref") is None) == (inputs.get("files") is None):
            return [Failure("ref", "a Deployment must have either `ref` or `files`, not both")]
        return []

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        project_id, project = project_of(account, inputs)
        id = build(account, project_id, project, inputs)
        return id, self._outputs(account, account.get("deployment", id) or {}, inputs)

    def read(self, account: Account, id: str, state: Properties) -> Read | None:
        if not state:
            raise ServiceError(501, "import_not_implemented", "vercel_deployment does not support import")
        deployment = account.get("deployment", id)
        if deployment is None:
            return None
        return self.answer(id, self._outputs(account, deployment, state))

    def update(self, account: Account, id: str, state: Properties, inputs: Properties) -> Properties:
        """Only `deleteOnDestroy` can differ, and Vercel is not told of it."""
        del state
        return self._outputs(account, account.get("deployment", id) or {}, inputs)

    def delete(self, account: Account, id: str, state: Properties) -> None:
        if state.get("deleteOnDestroy"):
            for domain, _ in account.find("alias", deploymentId=id):
                account.delete("alias", domain)
            account.delete("deployment", id)

    def _outputs(self, account: Account, deployment: Document, stated_before: Properties) -> Properties:
        outputs = stated({name: deployment.get(name) for name in ("ref", "customEnvironmentId", "projectId")})
        outputs |= stated({name: stated_before.get(name) for name in self._stated})
        if stated_before.get("production") is not None:
            outputs["production"] = deployment.get("target") == "production"
        project = account.get("project", deployment.get("projectId", "")) or {}
        outputs |= stated({"teamId": project.get("teamId")})
        return {**outputs, "url": deployment.get("url"), "domains": deployment.get("domains", [])}


# Vercel's own reasons not to build: here both pass over a commit that was built before, as a step does that
# compares it with VERCEL_GIT_PREVIOUS_SHA.
_SKIPPING: Final = ("ignoreCommand", "enableAffectedProjectsDeployments")


def build(account: Account, project_id: str, project: Document, inputs: Properties) -> str:
    """Build a deployment and give it its domains; returns the id.

    Its document keeps in `env` the variables that it was built with: later changes do not reach it.
    """
    ref = inputs.get("ref")
    sha = resolve(account, project, ref) if ref else None
    custom = inputs.get("customEnvironmentId")
    if custom:
        custom = find_environment(account, project_id, custom)[0]
    target = "production" if inputs.get("production") else "preview"
    if custom and target == "production":
        raise ServiceError(400, "bad_request", "A production deployment cannot target a custom environment")
    id = new_id("dpl_")
    if any(project.get(name) for name in _SKIPPING) and account.find(
        "deployment", projectId=project_id, sha=sha
    ):
        raise ServiceError(400, "deployment_canceled", "deployment canceled")
    team = account.get("team", project.get("teamId") or "") or {"slug": "personal"}
    domains = domains_of(account, project_id, target, custom, ref)
    if target == "production" and not project.get("autoAssignCustomDomains"):
        domains = []
    url = f"{project['name']}-{id[-9:].lower()}-{team['slug']}.vercel.app"
    deployment = {
        "projectId": project_id,
        "ref": ref,
        "sha": sha,
        "files": inputs.get("files"),
        "meta": inputs.get("meta"),
        "customEnvironmentId": custom,
        "target": target,
        "env": {
            **variables_of(account, project_id, custom or target, ref),
            **(inputs.get("environment") or {}),
        },
        "url": url,
        "domains": domains,
        "readyState": "READY",
        "readySubstate": ("PROMOTED" if domains else "STAGED") if target == "production" else None,
        "createdAt": now(),
    }
    account.put("deployment", id, {name: value for name, value in deployment.items() if value is not None})
    for domain in domains:
        account.put("alias", domain, {"deploymentId": id, "projectId": project_id, "updatedAt": now()})
    return id


def push(account: Account, repo: str, branch: str, sha: str) -> str:
    """A push to a branch of a connected repository (`owner/name`): Vercel builds it; returns the deployment.

    It goes to the custom environment that tracks the branch, else to production or Preview.
    """
    repository = repository_of(account, repo)
    commits = [*repository["commits"], *([] if sha in repository["commits"] else [sha])]
    branches = {**repository["branches"], branch: sha}
    account.put("repository", repo, {**repository, "branches": branches, "commits": commits})
    for id, project in account.find("project"):
        link = project.get("gitRepository") or {}
        if link.get("repo") != repo:
            continue
        environments = account.find("environment", projectId=id)
        tracking = [e for e, d in environments if (d.get("branchTracking") or {}).get("pattern") == branch]
        inputs = {"ref": branch, "production": branch == link.get("productionBranch")}
        return build(account, id, project, inputs | {"customEnvironmentId": next(iter(tracking), None)})
    raise ServiceError(404, "not_found", f"no project is connected to {repo}")


def resolve(account: Account, project: Document, ref: str) -> str:
    """The commit of a branch or SHA of the connected repository."""
    link = project.get("gitRepository")
    if not link:
        raise ServiceError(
            400, "bad_request", "unable to deploy project by ref: project has no linked git repository"
        )
    repository = repository_of(account, link["repo"])
    sha = repository["branches"].get(ref, ref)
    if sha not in repository["commits"]:
        raise ServiceError(400, "incorrect_git_source_info", f"The ref {ref} is not in {link['repo']}")
    if sha in repository.get("unbuildable", ()):  # the plugin waits for the end, and keeps no failed build
        raise ServiceError(400, "BUILD_FAILED", f"the build of {sha} failed")
    return str(sha)


def fail_builds(account: Account, repo: str, sha: str) -> None:
    """Let every build of a commit of a connected repository (`owner/name`) fail."""
    repository = repository_of(account, repo)
    account.put("repository", repo, {**repository, "unbuildable": [*repository.get("unbuildable", ()), sha]})


def _deployment_json(id: str, deployment: Document) -> Document:
    return {
        "id": id,
        "uid": id,
        "name": deployment["url"].rsplit("-", 2)[0],
        "projectId": deployment["projectId"],
        "url": deployment["url"],
        "alias": deployment.get("domains", []),
        "target": "production" if deployment["target"] == "production" else None,
        "readyState": deployment["readyState"],
        "readySubstate": deployment.get("readySubstate"),
        "gitSource": {"type": "github", "ref": deployment.get("ref"), "sha": deployment.get("sha")},
        "meta": deployment.get("meta", {}),
        "createdAt": deployment["createdAt"],
    }


def _get_deployments(account: Account, query: Query, _: Any) -> Answer:
    id, _project_document = asked_project(account, query, query.get("projectId", ""))
    found = [_deployment_json(*each) for each in account.find("deployment", projectId=id)]
    if "target" in query:
        found = [each for each in found if (each["target"] or "preview") == query["target"]]
    return 200, page_of("deployments", found, query, 20)


def asked_deployment(account: Account, query: Query, id: str) -> Document:
    """The deployment of a request's path, else 404."""
    found = account.get("deployment", id)
    if found is None or account.find("project", teamId=asked_team(account, query)) == []:
        raise ServiceError(404, "not_found", f"The deployment {id} could not be found")
    return found


def _get_deployment(account: Account, query: Query, _: Any, id: str) -> Answer:
    return 200, _deployment_json(id, asked_deployment(account, query, id))


ROUTES: Final[tuple[Route, ...]] = (
    ("GET", r"/v\d+/deployments", _get_deployments),
    ("GET", r"/v\d+/deployments/([^/]+)", _get_deployment),
)
