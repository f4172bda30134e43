"""What exists in the live accounts: the list calls of Vercel and GitHub that the provider plugins lack.

Read-only but for what `operations adopt` must do by hand at Vercel (split a variable, delete one). Base
addresses can be pointed elsewhere, which is how the rehearsal answers the same calls.
"""

from collections.abc import Iterator
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from operations.workspace import OperationError

VERCEL_URL: Final = "https://api.vercel.com"
GITHUB_URL: Final = "https://api.github.com"
_TIMEOUT: Final = 30  # seconds for one answer

Json = dict[str, Any]


class Api:
    """One service's REST API with a bearer token. Retries what is safe to repeat."""

    def __init__(self, service: str, url: str, token: str | None, variable: str) -> None:
        if not token:
            raise OperationError(f"{variable} is not set: the token with which {service} is read")
        self.service, self.url, self.variable = service, url.rstrip("/"), variable
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {token}"
        retry = Retry(total=3, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503))
        for scheme in ("https://", "http://"):
            self.session.mount(scheme, HTTPAdapter(max_retries=retry))

    def call(self, verb: str, path: str, params: Json | None = None, body: Json | None = None) -> Json | None:
        """The answer, or None for 404. Raises OperationError for everything else that is no success."""
        try:
            answer = self.session.request(verb, self.url + path, params=params, json=body, timeout=_TIMEOUT)
        except requests.RequestException as error:
            raise OperationError(f"{self.service} cannot be reached: {type(error).__name__}") from None
        if answer.status_code == 404:
            return None
        if answer.status_code in (401, 403):
            raise OperationError(
                f"{self.service} refused {verb} {path} ({answer.status_code}): "
                f"check the scope of {self.variable}"
            )
        if not answer.ok:
            raise OperationError(f"{self.service} answered {answer.status_code} to {verb} {path}")
        return answer.json() if answer.content else {}


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

    def policies(self, repository: str, environment: str) -> list[Json]:
        path = f"/repos/{self._owner}/{repository}/environments/{environment}/deployment-branch-policies"
        return list(self._pages(path, "branch_policies"))

    def variables(self, repository: str, environment: str) -> list[Json]:
        path = f"/repos/{self._owner}/{repository}/environments/{environment}/variables"
        return list(self._pages(path, "variables"))

    def rulesets(self, repository: str) -> list[Json]:
        return list(self._pages(f"/repos/{self._owner}/{repository}/rulesets", None))

    def user_id(self, login: str) -> int | None:
        found = self._api.call("GET", f"/users/{login}")
        return None if found is None else int(found["id"])

    def team_id(self, slug: str) -> int | None:
        found = self._api.call("GET", f"/orgs/{self._owner}/teams/{slug}")
        return None if found is None else int(found["id"])

    def _pages(self, path: str, name: str | None) -> Iterator[Json]:
        page = 1
        while True:
            answer: Any = self._api.call("GET", path, {"per_page": 100, "page": page}) or {}
            items = answer.get(name, []) if name and isinstance(answer, dict) else answer
            yield from items
            if len(items) < 100:
                return
            page += 1
