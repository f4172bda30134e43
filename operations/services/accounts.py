"""What exists in the live accounts: the list calls of Vercel and GitHub that the provider plugins lack.

Read-only but for what `operations adopt` must do by hand at Vercel (split a variable, delete one). Base
addresses can be pointed elsewhere, which is how the rehearsal answers the same calls.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from operations.stack.workspace import OperationError
from plan.text import read

VERCEL_URL: Final = "https://api.vercel.com"
GITHUB_URL: Final = "https://api.github.com"
_TIMEOUT: Final = 30  # seconds for one answer

Json = dict[str, Any]


class RefusedError(OperationError):
    """The service knows the token and does not let it do this."""


class Api:
    """One service's REST API with a bearer token. Retries what is safe to repeat."""

    def __init__(self, service: str, url: str, token: str | None, variable: str) -> None:
        if not token:
            raise OperationError(f"{variable} is not set: the token with which {service} is read")
        if (text := read(variable, token)).bare != token:
            fault = text.fault or "came with a line end"  # which this program could cut, but not the plugin
            raise OperationError(f"{variable} {fault}: export the token with which {service} is read alone")
        if not (token.isascii() and token.isprintable()):
            raise OperationError(
                f"{variable} holds a character that no token of {service}'s has: export the token alone"
            )
        self.service, self.url, self.variable = service, url.rstrip("/"), variable
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {token}"
        retry = Retry(total=3, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503))
        for scheme in ("https://", "http://"):
            self.session.mount(scheme, HTTPAdapter(max_retries=retry))

    def call(self, verb: str, path: str, params: Json | None = None, body: Json | None = None) -> Json | None:
        """The answer, or None for 404. Raises OperationError for everything else that is no success."""
        answer = self._request(verb, path, params, body)
        if answer.status_code == 404:
            return None
        if answer.status_code in (401, 403):
            kind = RefusedError if answer.status_code == requests.codes.forbidden else OperationError
            raise kind(
                f"{self.service} refused {verb} {path} ({answer.status_code}): "
                f"check the scope of {self.variable}"
            )
        if not answer.ok:
            raise OperationError(f"{self.service} answered {answer.status_code} to {verb} {path}")
        return answer.json() if answer.content else {}

    def ask(self, path: str, params: Json | None = None) -> requests.Response:
        """What the service answers to GET, refusals too. Raises OperationError where it does not answer."""
        return self._request("GET", path, params, None)

    def _request(self, verb: str, path: str, params: Json | None, body: Json | None) -> requests.Response:
        try:
            return self.session.request(verb, self.url + path, params=params, json=body, timeout=_TIMEOUT)
        except requests.RequestException as error:
            raise OperationError(f"{self.service} cannot be reached: {type(error).__name__}") from None


class VercelAccount:
    """One project of one team."""

    def __init__(self, token: str | None, team: str, project: str, url: str = VERCEL_URL) -> None:
        self._api = Api("Vercel", url, token, "VERCEL_API_TOKEN")
        self._team, self._project = {"teamId": team}, project

    def project(self) -> Json | None:
        return self._api.call("GET", f"/v9/projects/{self._project}", self._team)

    def variables(self) -> list[Json]:
        """Every variable; values in the clear except sensitive ones, which nobody can read."""
        return list(self._pages(f"/v10/projects/{self._project}/env", "envs", {"decrypt": "true"}))

    def domains(self) -> list[Json]:
        return list(self._pages(f"/v9/projects/{self._project}/domains", "domains"))

    def custom_environments(self) -> list[Json]:
        return list(self._pages(f"/v9/projects/{self._project}/custom-environments", "environments"))

    def set_targets(self, variable: str, targets: list[str]) -> None:
        self._api.call(
            "PATCH", f"/v9/projects/{self._project}/env/{variable}", self._team, {"target": targets}
        )

    def create_variable(self, key: str, value: str, targets: list[str], kind: str) -> str:
        body = {"key": key, "value": value, "target": targets, "type": kind}
        made = self._api.call("POST", f"/v10/projects/{self._project}/env", self._team, body) or {}
        return str((made.get("created") or made)["id"])

    def delete_variable(self, variable: str) -> None:
        self._api.call("DELETE", f"/v9/projects/{self._project}/env/{variable}", self._team)

    def served(self, domain: str) -> Json | None:
        """The deployment that a domain points at; None where it points at none, or at one that is gone."""
        alias = self._api.call("GET", f"/v4/aliases/{domain}", self._team)
        return self.deployment(str(alias["deploymentId"])) if alias and alias.get("deploymentId") else None

    def deployment(self, id: str) -> Json | None:
        return self._api.call("GET", f"/v13/deployments/{id}", self._team)

    def deployments(self, target: str) -> list[Json]:
        """Deployments of a target (`production`, `preview`), newest first."""
        params = {"projectId": self._project, "target": target, "limit": 100}
        return list(self._pages("/v6/deployments", "deployments", params))

    def edge_config(self, name: str) -> str | None:
        """Id of the team's Edge Config of that name."""
        found: Any = self._api.call("GET", "/v1/edge-config", self._team) or []
        return next((str(each["id"]) for each in found if each["slug"] == name), None)

    def edge_items(self, edge_config: str) -> dict[str, Any]:
        """Every item by key, newest values: this address is not cached."""
        found: Any = self._api.call("GET", f"/v1/edge-config/{edge_config}/items", self._team) or []
        return {each["key"]: each["value"] for each in found}

    def set_edge_items(self, edge_config: str, items: Mapping[str, str]) -> None:
        """All in one step. A key never is missing meanwhile."""
        changes = [{"operation": "upsert", "key": key, "value": value} for key, value in items.items()]
        self._api.call("PATCH", f"/v1/edge-config/{edge_config}/items", self._team, {"items": changes})

    def _pages(self, path: str, name: str, params: Json | None = None) -> Iterator[Json]:
        until: Any = None
        while True:
            query = {**self._team, **(params or {}), **({"until": until} if until else {})}
            page = self._api.call("GET", path, query) or {}
            yield from page.get(name) or []
            until = (page.get("pagination") or {}).get("next")
            if not until:
                return


class GitHubAccount:
    """Repositories of one owner."""

    def __init__(self, token: str | None, owner: str, url: str = GITHUB_URL) -> None:
        self._api = Api("GitHub", url, token, "GITHUB_TOKEN")
        self._api.session.headers["X-GitHub-Api-Version"] = "2022-11-28"
        self._owner = owner

    def environment(self, repository: str, name: str) -> Json | None:
        return self._api.call("GET", f"/repos/{self._owner}/{repository}/environments/{name}")

    def put_environment(self, repository: str, name: str, body: Json) -> Json:
        """Write the whole protection of an environment: what the body leaves out is wiped.

        Returns what GitHub made of it: a reviewer who may not read the repository is left out, with 200.
        """
        path = f"/repos/{self._owner}/{repository}/environments/{name}"
        return self._api.call("PUT", path, body=body) or {}

    def user_reads(self, repository: str, login: str) -> bool | None:
        """Whether a user has access, by whatever way; None where the token is not told."""
        place = f"/repos/{self._owner}/{repository}"
        return self._reads(f"{place}/collaborators/{login}", f"/users/{login}", place)

    def team_reads(self, repository: str, slug: str) -> bool | None:
        """Whether a team has access of its own; None where the token is not told."""
        team = f"/orgs/{self._owner}/teams/{slug}"
        place = f"/repos/{self._owner}/{repository}"
        return self._reads(f"{team}{place}", team, place)

    def _reads(self, path: str, *parents: str) -> bool | None:
        """404 is also the answer about what the token may not see: only seen parents make it a no."""
        answer = self._api.ask(path)
        if answer.status_code == requests.codes.not_found:
            return False if all(self._api.ask(parent).ok for parent in parents) else None
        return True if answer.ok else None

    def policies(self, repository: str, environment: str) -> list[Json]:
        path = f"/repos/{self._owner}/{repository}/environments/{environment}/deployment-branch-policies"
        return list(self._pages(path, "branch_policies"))

    def variables(self, repository: str, environment: str) -> list[Json]:
        path = f"/repos/{self._owner}/{repository}/environments/{environment}/variables"
        return list(self._pages(path, "variables"))

    def delete_policy(self, repository: str, environment: str, id: int) -> None:
        path = f"/repos/{self._owner}/{repository}/environments/{environment}/deployment-branch-policies"
        self._api.call("DELETE", f"{path}/{id}")

    def ruleset(self, repository: str, id: str) -> Json | None:
        """One ruleset with its rules, which the list leaves out."""
        return self._api.call("GET", f"/repos/{self._owner}/{repository}/rulesets/{id}")

    def rulesets(self, repository: str) -> list[Json]:
        return list(self._pages(f"/repos/{self._owner}/{repository}/rulesets", None))

    def secrets(self, repository: str, environment: str) -> dict[str, str]:
        """When each secret of an environment was written last (ISO time), by name."""
        path = f"/repos/{self._owner}/{repository}/environments/{environment}/secrets"
        return {each["name"]: each["updated_at"] for each in self._pages(path, "secrets")}

    def check_runs(self, repository: str, sha: str) -> list[Json]:
        """The latest run of each check of a commit."""
        path = f"/repos/{self._owner}/{repository}/commits/{sha}/check-runs"
        return list(self._pages(path, "check_runs"))

    def pulls_of(self, repository: str, sha: str) -> list[Json]:
        """The pull requests that a commit came with."""
        return list(self._pages(f"/repos/{self._owner}/{repository}/commits/{sha}/pulls", None))

    def open_issues(self, repository: str, label: str) -> list[Json]:
        path = f"/repos/{self._owner}/{repository}/issues"
        found = self._pages(path, None, {"labels": label, "state": "open"})
        return [each for each in found if "pull_request" not in each]

    def comparison(self, repository: str, base: str, head: str) -> Json | None:
        """What `head` has that `base` has not: `status`, `files` (300 at most). None for unknown commits."""
        return self._api.call("GET", f"/repos/{self._owner}/{repository}/compare/{base}...{head}")

    def workflow_runs(self, repository: str, file: str, sha: str) -> list[Json] | None:
        """Runs of a workflow file at a commit; None where there is no such workflow."""
        path = f"/repos/{self._owner}/{repository}/actions/workflows/{file}/runs"
        found = self._api.call("GET", path, {"head_sha": sha, "per_page": 100})
        return None if found is None else list(found["workflow_runs"])

    def waiting_runs(self, repository: str, file: str) -> list[Json]:
        """Runs of a workflow file that wait for somebody's approval, oldest first; none of an unknown one."""
        path = f"/repos/{self._owner}/{repository}/actions/workflows/{file}/runs"
        return sorted(self._pages(path, "workflow_runs", {"status": "waiting"}), key=lambda run: run["id"])

    def user_id(self, login: str) -> int | None:
        found = self._api.call("GET", f"/users/{login}")
        return None if found is None else int(found["id"])

    def team_id(self, slug: str) -> int | None:
        found = self._api.call("GET", f"/orgs/{self._owner}/teams/{slug}")
        return None if found is None else int(found["id"])

    def _pages(self, path: str, name: str | None, params: Json | None = None) -> Iterator[Json]:
        page = 1
        while True:
            query = {**(params or {}), "per_page": 100, "page": page}
            answer: Any = self._api.call("GET", path, query) or {}
            items = answer.get(name, []) if name and isinstance(answer, dict) else answer
            yield from items
            if len(items) < 100:
                return
            page += 1
