"""The accounts' REST APIs on loopback: the lists that `operations adopt` reads, and the few writes it makes.

Answers have the shape of the real ones (Vercel REST API, GitHub REST API 2022-11-28), paged as they are;
a bearer token is required. A sensitive variable's value and a GitHub secret are never returned. Documents
are the accounts' (see `vercel`, `github`); the rules of writes are `vercel`'s own.
"""

import json
import re
import threading
import zlib
from collections.abc import Callable, Iterable
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from rehearsal import demo
from rehearsal.standin import dns, github, vercel
from rehearsal.standin.account import Account, Document, new_id
from rehearsal.standin.kinds import ServiceError

Query = dict[str, str]
Answer = tuple[int, Any]
_CIPHERTEXT: Final = "eyJ2IjoidjIifQ=="  # what an undecrypted value looks like; holds nothing


class AccountApi:
    """Both APIs of one account file, while the `with` block lasts.

    `vercel_url`, `github_url` and `edge_config_url` stand for https://api.vercel.com,
    https://api.github.com and https://edge-config.vercel.com. Tokens default to the demo account's.
    """

    def __init__(
        self, path: Path, *, vercel_token: str = demo.VERCEL_TOKEN, github_token: str = demo.GITHUB_TOKEN
    ) -> None:
        self._path = path
        self._tokens = {"vercel": vercel_token, "github": github_token}

    def __enter__(self) -> "AccountApi":
        handler = type("Handler", (_Handler,), {"path_of_account": self._path, "tokens": self._tokens})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        base = f"http://127.0.0.1:{self._server.server_port}"
        self.vercel_url, self.github_url = f"{base}/vercel", f"{base}/github"
        self.edge_config_url = f"{base}/edge-config"
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    path_of_account: Path
    tokens: dict[str, str]

    def log_message(self, format: str, *args: object) -> None:
        """Silent: a request's path may name what a test greps for."""

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def do_PATCH(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        service, _, path = url.path.lstrip("/").partition("/")
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        links: dict[str, str] = {}
        headers: dict[str, str] = {}
        try:
            status, payload = self._answer(service, "/" + path, query, json.loads(body or b"null"))
        except ServiceError as error:
            status, payload = error.status, _error(service, error)
        except (ValueError, KeyError, TypeError) as error:  # the request's fault: a body of another shape
            status, payload = 400, _error(service, ServiceError(400, "bad_request", repr(error)))
        if service == "github":
            headers = self._about_the_token("/" + path, status)
        if isinstance(payload, _Page):
            links, payload = payload.links(f"http://{self.headers['Host']}{url.path}", query), payload.body
        text = b"" if status == 204 else json.dumps(payload).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        for name, value in {**headers, **links}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def _about_the_token(self, path: str, status: int) -> dict[str, str]:
        """What GitHub says of a token with every answer: classic scopes, expiry, what a refusal lacks."""
        account = Account(self.path_of_account, "github")
        try:
            token = account.get("token", "current") or {}
        finally:
            account.close()
        needed = "; ".join(f"{permission}=read" for permission in _needed("github", path))
        named = {
            "X-OAuth-Scopes": token.get("scopes"),
            "github-authentication-token-expiration": token.get("expires"),
            "X-Accepted-GitHub-Permissions": needed if status == 403 else None,
        }
        return {name: value for name, value in named.items() if value}

    def _answer(self, service: str, path: str, query: Query, body: Any) -> Answer:
        if service not in _ROUTES:
            raise ServiceError(404, "not_found", f"no service {service}")
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        reader = service == "github" and token == demo.GITHUB_READ_TOKEN
        # A reader of an Edge Config has a token of its own, in the query.
        if service in self.tokens and token != self.tokens[service] and not reader:
            raise ServiceError(401, "unauthorized", "Bad credentials")
        if reader and self.command != "GET":  # as a job's token in a pull request from a fork
            raise ServiceError(403, "forbidden", "Resource not accessible by integration")
        for method, pattern, handler in _ROUTES[service]:
            match = re.fullmatch(pattern, path)
            if method == self.command and match:
                account = Account(self.path_of_account, "vercel" if service == "edge-config" else service)
                try:
                    needed = _needed(service, path)
                    if needed and set(needed) <= set(_lacking(account)):
                        raise ServiceError(403, "forbidden", _REFUSALS[service])
                    with account.transaction():
                        status, payload = handler(account, query, body, *map(unquote, match.groups()))
                    if reader and isinstance(payload, dict):
                        payload.pop("bypass_actors", None)  # told to who may write rulesets
                    return status, payload
                finally:
                    account.close()
        raise ServiceError(404, "not_found", f"{self.command} {path}: no such resource")


def _error(service: str, error: ServiceError) -> Document:
    if service == "github":
        return {"message": error.message, "documentation_url": "", "status": str(error.status)}
    return {"error": {"code": error.code, "message": error.message}}


# --- Vercel ---------------------------------------------------------------------------------------

_PROTECTION: Final = {
    "standard_protection": "prod_deployment_urls_and_all_previews",
    "standard_protection_new": "all_except_custom_domains",
    "all_deployments": "all",
    "only_preview_deployments": "preview",
    "only_production_deployments": "production",
}
_SKEW: Final = {"30 minutes": 1800, "4 hours": 14400, "12 hours": 43200, "1 day": 86400, "7 days": 604800}
# Names of the REST API that differ from the provider's (client/project.go of terraform-provider-vercel).
_RENAMED: Final = {
    "automaticallyExposeSystemEnvironmentVariables": "autoExposeSystemEnvs",
    "customerSuccessCodeVisibility": "customerSupportCodeVisibility",
    "functionFailover": "serverlessFunctionZeroConfigFailover",
    "gitLfs": "gitLFS",
    "ignoreCommand": "commandForIgnoringBuildStep",
    "prioritiseProductionBuilds": "productionDeploymentsFastLane",
}
_RESHAPED: Final = (
    *("buildMachineType", "gitProviderOptions", "gitRepository", "onDemandConcurrentBuilds"),
    *("passwordProtection", "previewComments", "resourceConfig", "skewProtection", "trustedIps"),
    "vercelAuthentication",
)


def _team(account: Account, query: Query) -> str | None:
    name = query.get("teamId") or query.get("slug")
    return next((id for id, team in account.find("team") if name in (id, team["slug"])), None)


def _project(account: Account, query: Query, id_or_name: str) -> tuple[str, Document]:
    return vercel.find_project(account, id_or_name, _team(account, query))


def _vercel_page(name: str, items: Iterable[Document], query: Query, default: int) -> Document:
    """Newest first; `until` is the creation time that the last page ended with."""
    ordered = sorted(items, key=lambda item: -int(item["createdAt"]))
    rest = [item for item in ordered if item["createdAt"] < int(query.get("until", 1 << 62))]
    page = rest[: int(query.get("limit", default))]
    more = page[-1]["createdAt"] if len(page) < len(rest) else None
    first = page[0]["createdAt"] if page else None
    return {name: page, "pagination": {"count": len(page), "next": more, "prev": first}}


def _project_json(id: str, project: Document) -> Document:
    answer = {
        _RENAMED.get(name, name): project.get(name) for name in vercel.SETTINGS if name not in _RESHAPED
    }
    resources = dict(project.get("resourceConfig") or {})
    if "functionDefaultCpuType" in resources:
        resources["functionDefaultMemoryType"] = resources.pop("functionDefaultCpuType")
    resources["elasticConcurrencyEnabled"] = project.get("onDemandConcurrentBuilds", False)
    resources["buildMachineType"] = project.get("buildMachineType")
    regions = resources.get("functionDefaultRegions") or [None]
    return answer | {
        "id": id,
        "accountId": project.get("teamId"),
        "createdAt": project["createdAt"],
        "updatedAt": project["updatedAt"],
        "enablePreviewFeedback": project.get("enablePreviewFeedback", project.get("previewComments")),
        "gitProviderOptions": _git_options_json(project.get("gitProviderOptions")),
        "link": _link_json(project.get("gitRepository")),
        "passwordProtection": _protection_json(project.get("passwordProtection")),
        "resourceConfig": resources,
        "serverlessFunctionRegion": regions[0],
        "skewProtectionMaxAge": _SKEW.get(project.get("skewProtection", ""), 0),
        "ssoProtection": _protection_json(project.get("vercelAuthentication")),
        "trustedIps": _protection_json(project.get("trustedIps")),
    }


def _protection_json(protection: Document | None) -> Document | None:
    if not protection or protection.get("deploymentType") in (None, "none"):
        return None
    kept = {name: value for name, value in protection.items() if name not in ("password", "protectionMode")}
    if mode := protection.get("protectionMode"):
        kept["protectionMode"] = {"trusted_ip_required": "additional", "trusted_ip_optional": "exclusive"}[
            mode
        ]
    return kept | {"deploymentType": _PROTECTION[protection["deploymentType"]]}


def _git_options_json(options: Document | None) -> Document | None:
    if not options:
        return None
    answer = dict(options)
    if "createDeployments" in answer:
        answer["createDeployments"] = "enabled" if answer["createDeployments"] else "disabled"
    if "repositoryDispatchEvents" in answer:
        answer["disableRepositoryDispatchEvents"] = not answer.pop("repositoryDispatchEvents")
    return answer


def _link_json(link: Document | None) -> Document | None:
    if not link:
        return None
    org, _, repo = link["repo"].partition("/")
    hooks = link.get("deployHooks", [])
    return {
        "type": link["type"],
        "org": org,
        "repo": repo,
        "productionBranch": link.get("productionBranch"),
        "deployHooks": hooks,
    }


def _variable_json(id: str, variable: Document, *, decrypt: bool) -> Document:
    """A sensitive value is empty, an encrypted one readable only where decryption is asked for."""
    clear = variable["type"] == "plain" or (variable["type"] == "encrypted" and decrypt)
    hidden = "" if variable["type"] == "sensitive" else _CIPHERTEXT
    return {
        "id": id,
        "key": variable["key"],
        "value": variable["value"] if clear else hidden,
        "decrypted": clear,
        "type": variable["type"],
        "target": variable["targets"],
        "customEnvironmentIds": variable["customEnvironmentIds"],
        **({"gitBranch": variable["gitBranch"]} if variable.get("gitBranch") else {}),
        "comment": variable.get("comment") or "",
        "createdAt": variable["createdAt"],
        "updatedAt": variable["updatedAt"],
    }


def _get_project(account: Account, query: Query, _: Any, name: str) -> Answer:
    return 200, _project_json(*_project(account, query, name))


def _get_variables(account: Account, query: Query, _: Any, name: str) -> Answer:
    id, _project_document = _project(account, query, name)
    decrypt = query.get("decrypt") == "true"
    found = [_variable_json(*each, decrypt=decrypt) for each in account.find("variable", projectId=id)]
    return 200, _vercel_page("envs", found, query, 100)


def _variable(account: Account, project_id: str, id: str) -> Document:
    variable = account.get("variable", id)
    if variable is None or variable["projectId"] != project_id:
        raise ServiceError(404, "not_found", f"Environment Variable {id} not found")
    return variable


def _get_variable(account: Account, query: Query, _: Any, name: str, id: str) -> Answer:
    project_id, _project_document = _project(account, query, name)
    return 200, _variable_json(id, _variable(account, project_id, id), decrypt=True)


def _from_body(body: Document) -> Document:
    """A variable's fields as the account names them; only those that the request carries."""
    fields = {"target": "targets", "key": "key", "value": "value", "type": "type", "comment": "comment"}
    fields |= {"customEnvironmentIds": "customEnvironmentIds", "gitBranch": "gitBranch"}
    found = {own: body[name] for name, own in fields.items() if name in body}
    if "targets" in found:
        targets = found["targets"]
        found["targets"] = sorted([targets] if isinstance(targets, str) else targets)
    return found


def _put(account: Account, project_id: str, project: Document, id: str, variable: Document) -> None:
    if not variable["targets"] and not variable["customEnvironmentIds"]:
        raise ServiceError(400, "bad_request", "At least one of target or customEnvironmentIds is required")
    if variable["type"] == "sensitive" and "development" in variable["targets"]:
        raise ServiceError(400, "bad_request", "A sensitive variable cannot target development")
    vercel.put_variable(account, project_id, project, id, variable)


def _post_variables(account: Account, query: Query, body: Any, name: str) -> Answer:
    project_id, project = _project(account, query, name)
    created, failed = [], []
    for entry in body if isinstance(body, list) else [body]:
        fields = {"type": "encrypted", "comment": "", "targets": [], "customEnvironmentIds": []}
        variable = {**fields, **_from_body(entry), "projectId": project_id, "createdAt": vercel.now()}
        id = new_id("", 16)
        if query.get("upsert") == "true":
            id, variable = _same_scope(account, variable) or (id, variable)
        try:
            _put(account, project_id, project, id, variable)
            created.append(_variable_json(id, _variable(account, project_id, id), decrypt=False))
        except ServiceError as error:
            if not isinstance(body, list):
                raise
            failed.append({"error": {"code": error.code, "message": error.message, "key": variable["key"]}})
    answer = {"created": created if isinstance(body, list) else created[0], "failed": failed}
    return (201 if created else 400), answer


def _same_scope(account: Account, variable: Document) -> tuple[str, Document] | None:
    """What an upsert overwrites: the variable of the same key, branch and targets."""
    scope = ("projectId", "key", "targets", "customEnvironmentIds")
    for id, other in account.find("variable", **{name: variable[name] for name in scope}):
        if other.get("gitBranch") == variable.get("gitBranch"):
            return id, {**other, **variable, "createdAt": other["createdAt"]}
    return None


def _patch_variable(account: Account, query: Query, body: Any, name: str, id: str) -> Answer:
    project_id, project = _project(account, query, name)
    old = _variable(account, project_id, id)
    variable = {**old, **_from_body(body)}
    if old["type"] == "sensitive" != variable["type"]:
        raise ServiceError(
            400, "bad_request", "You cannot change the type of a Sensitive Environment Variable"
        )
    _put(account, project_id, project, id, variable)
    return 200, _variable_json(id, _variable(account, project_id, id), decrypt=False)


def _delete_variable(account: Account, query: Query, _: Any, name: str, id: str) -> Answer:
    project_id, _project_document = _project(account, query, name)
    variable = _variable(account, project_id, id)
    account.delete("variable", id)
    return 200, [_variable_json(id, variable, decrypt=False)]


def _get_domains(account: Account, query: Query, _: Any, name: str) -> Answer:
    id, _project_document = _project(account, query, name)
    found = [_domain_json(*each) for each in account.find("domain", projectId=id)]
    return 200, _vercel_page("domains", found, query, 20)


def _domain_json(domain: str, document: Document) -> Document:
    optional = ("gitBranch", "customEnvironmentId", "redirect", "redirectStatusCode")
    return {
        "name": domain,
        "apexName": ".".join(domain.split(".")[-2:]),
        "projectId": document["projectId"],
        **{name: document.get(name) for name in optional},
        "createdAt": document["createdAt"],
        "updatedAt": document["updatedAt"],
        "verified": True,
    }


def _get_environments(account: Account, query: Query, _: Any, name: str) -> Answer:
    project_id, project = _project(account, query, name)
    team = account.get("team", project.get("teamId") or "") or {}
    found = [
        {
            "id": id,
            "slug": environment["name"],
            "type": "preview",
            "description": environment.get("description", ""),
            "branchMatcher": environment.get("branchTracking"),
            "domains": [_domain_json(*each) for each in account.find("domain", customEnvironmentId=id)],
            "createdAt": environment["createdAt"],
            "updatedAt": environment["updatedAt"],
        }
        for id, environment in account.find("environment", projectId=project_id)
    ]
    return 200, {"accountLimit": {"total": vercel.environment_limit(team)}, "environments": found}


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
    id, _project_document = _project(account, query, query.get("projectId", ""))
    found = [_deployment_json(*each) for each in account.find("deployment", projectId=id)]
    if "target" in query:
        found = [each for each in found if (each["target"] or "preview") == query["target"]]
    return 200, _vercel_page("deployments", found, query, 20)


def _deployment(account: Account, query: Query, id: str) -> Document:
    found = account.get("deployment", id)
    if found is None or account.find("project", teamId=_team(account, query)) == []:
        raise ServiceError(404, "not_found", f"The deployment {id} could not be found")
    return found


def _get_deployment(account: Account, query: Query, _: Any, id: str) -> Answer:
    return 200, _deployment_json(id, _deployment(account, query, id))


def _get_alias(account: Account, query: Query, _: Any, domain: str) -> Answer:
    alias = account.get("alias", domain)
    if alias is None:
        raise ServiceError(404, "not_found", f"The alias {domain} could not be found")
    deployment = _deployment(account, query, alias["deploymentId"])
    return 200, {
        "uid": domain,
        "alias": domain,
        "deploymentId": alias["deploymentId"],
        "deployment": {"id": alias["deploymentId"], "url": deployment["url"]},
        "projectId": alias["projectId"],
        "updatedAt": alias["updatedAt"],
    }


def _promote(account: Account, query: Query, _: Any, name: str, id: str) -> Answer:
    """Point every production domain at a deployment that exists, without a build."""
    project_id, _project_document = _project(account, query, name)
    if _deployment(account, query, id)["projectId"] != project_id:
        raise ServiceError(404, "not_found", f"The deployment {id} could not be found")
    vercel.promote(account, project_id, id)
    return 201, {}


def _edge_config(account: Account, query: Query, id: str) -> Document:
    found = account.get("edgeConfig", id)
    if found is None or found["teamId"] != _team(account, query):
        raise ServiceError(404, "not_found", f"Edge Config {id} not found")
    return found


def _get_edge_configs(account: Account, query: Query, _: Any) -> Answer:
    """Every one of the team, not paged. What the provider calls a name is the slug."""
    return 200, [
        {
            "id": id,
            "slug": config["name"],
            "ownerId": config["teamId"],
            "itemCount": len(account.find("edgeConfigItem", edgeConfigId=id)),
            "createdAt": config["createdAt"],
            "updatedAt": config["updatedAt"],
        }
        for id, config in account.find("edgeConfig", teamId=_team(account, query))
    ]


def _get_edge_items(account: Account, query: Query, _: Any, id: str) -> Answer:
    _edge_config(account, query, id)
    items = [
        {"key": item["key"], "value": item["value"], "edgeConfigId": id, "updatedAt": item["updatedAt"]}
        for _, item in account.find("edgeConfigItem", edgeConfigId=id)
    ]
    return 200, items


def _patch_edge_items(account: Account, query: Query, body: Any, id: str) -> Answer:
    """All operations of one request or none (REST, update-edge-config-items-in-batch)."""
    _edge_config(account, query, id)
    for change in body["items"]:
        operation, key = change["operation"], change["key"]
        if not re.fullmatch(r"[\w-]{1,256}", key):
            raise ServiceError(400, "bad_request", f"{key!r} is no key of an item")
        place = f"{id}/{key}"
        exists = account.get("edgeConfigItem", place) is not None
        if operation not in ("create", "update", "upsert", "delete"):
            raise ServiceError(400, "bad_request", f"{operation!r} is no operation")
        if (operation == "create") == exists and operation != "upsert":
            raise ServiceError(*((409, "conflict") if exists else (404, "not_found")), f"item {key}")
        if operation == "delete":
            account.delete("edgeConfigItem", place)
            continue
        item = {"edgeConfigId": id, "key": key, "value": change["value"], "updatedAt": vercel.now()}
        account.put("edgeConfigItem", place, item)
    return 200, {"status": "ok"}


def _read_edge_item(account: Account, query: Query, _: Any, id: str, key: str) -> Answer:
    """What a running reader asks (`edge-config.vercel.com`): by the token of a connection string."""
    if not account.find("edgeConfigToken", edgeConfigId=id, token=query.get("token")):
        raise ServiceError(401, "unauthorized", "the token does not fit the Edge Config")
    item = account.get("edgeConfigItem", f"{id}/{key}")
    if item is None:
        raise ServiceError(404, "edge_config_item_not_found", f"item {key} not found")
    return 200, item["value"]


def _get_team(account: Account, _: Query, __: Any, name: str) -> Answer:
    for id, team in account.find("team"):
        if name in (id, team["slug"]):
            policy = team.get("sensitivePolicy", "default")
            names = {"id": id, "slug": team["slug"], "name": team["name"]}
            return 200, {
                **names,
                "membership": {"teamId": id, "role": team.get("role", "OWNER"), "confirmed": True},
                "sensitiveEnvironmentVariablePolicy": policy,
                "billing": {"plan": team["plan"]},
            }
    raise ServiceError(404, "not_found", f"The team {name} could not be found")


def _get_token(account: Account, _: Query, __: Any) -> Answer:
    """Of the token that asks (REST, get-auth-token-metadata): full access, unless a document says less."""
    token = account.get("token", "current") or {}
    scopes = token.get("scopes", [{"type": "user", "createdAt": 1_700_000_000_000}])
    facts = {"id": "rehearsal", "name": "rehearsal", "type": "token", "origin": "manual", "scopes": scopes}
    times = {"activeAt": vercel.now(), "createdAt": 1_700_000_000_000}
    return 200, {"token": facts | times | {k: token[k] for k in ("expiresAt",) if k in token}}


def _get_domain_config(account: Account, query: Query, _: Any, domain: str) -> Answer:
    """Whether DNS leads to Vercel (REST, get-a-domain-s-configuration); any domain may be asked for."""
    del query
    known = bool(dns.of(account, domain))
    return 200, {
        "configuredBy": "CNAME" if known else None,
        "acceptedChallenges": ["http-01"] if known else [],
        "recommendedIPv4": [{"rank": 1, "value": ["216.198.79.1"]}],
        "recommendedCNAME": [{"rank": 1, "value": "0123456789abcdef.vercel-dns-017.com."}],
        "misconfigured": not known,
    }


# --- GitHub ---------------------------------------------------------------------------------------

# What a fine-grained token or an app needs to read it, any one of them (REST, permissions required for
# fine-grained tokens). Metadata, which every token has, is enough for the rest.
_NEEDED: Final = tuple(
    (re.compile(rf"/repos/[^/]+/[^/]+{pattern}"), needed)
    for pattern, needed in (
        (r"/actions/permissions", ("administration",)),
        (r"/environments(/[^/]+)?(/deployment-branch-policies)?", ("actions",)),
        (r"/environments/[^/]+/deployment-branch-policies/[^/]+", ("administration",)),
        (r"/environments/[^/]+/(secrets|variables)", ("environments",)),
        (r"/actions/workflows(/[^/]+/runs)?", ("actions",)),
        (r"/commits/[^/]+/check-runs", ("checks",)),
        (r"/commits/[^/]+/pulls", ("pull_requests",)),
        (r"/compare/.+", ("contents",)),
        (r"/issues(/\d+)?", ("issues",)),
        (r"/issues/(\d+/comments|comments/\d+)", ("issues", "pull_requests")),
    )
)
PERMISSIONS: Final = frozenset(each for _, needed in _NEEDED for each in needed)
_OF_ORGANIZATION: Final = re.compile(r"/orgs/[^/]+/teams/[^/]+(/repos/[^/]+/[^/]+)?")
_REFUSALS: Final = {
    "github": "Resource not accessible by personal access token",
    "vercel": "Not authorized",
}


def _needed(service: str, path: str) -> tuple[str, ...]:
    """Of which permissions the token must have one; none where every token may."""
    if service == "vercel":  # a token of one project does not reach what belongs to the team
        return ("edge-config",) if re.match(r"/v\d+/edge-config\b", path) else ()
    if _OF_ORGANIZATION.fullmatch(path):
        return ("members",)
    return next((needed for pattern, needed in _NEEDED if pattern.fullmatch(path)), ())


def _lacking(account: Account) -> list[str]:
    """Permissions that the token was not given, by the document `token`/`current`."""
    return list((account.get("token", "current") or {}).get("lacks", []))


class _Page:
    """One page of a GitHub list: `page` and `per_page`, and the Link header to the next."""

    def __init__(self, items: list[Any], query: Query, wrap: Callable[[list[Any]], Any]) -> None:
        self._number, size = int(query.get("page", 1)), min(int(query.get("per_page", 30)), 100)
        self._last = max(1, -(-len(items) // size))
        self.body = wrap(items[(self._number - 1) * size : self._number * size])

    def links(self, url: str, query: Query) -> dict[str, str]:
        if self._number >= self._last:
            return {}
        named = {"next": self._number + 1, "last": self._last}
        targets = [
            f'<{url}?{urlencode({**query, "page": page})}>; rel="{rel}"' for rel, page in named.items()
        ]
        return {"Link": ", ".join(targets)}


def _not_found() -> ServiceError:
    return ServiceError(404, "not_found", "Not Found")


def _time(document: Document, name: str) -> str:
    """As the REST API writes times; documents hold them as the provider prints them."""
    found = document.get(name)
    if found is None:
        return "2026-02-22T00:00:00Z"
    return datetime.strptime(found, "%Y-%m-%d %H:%M:%S.%f +0000 UTC").strftime("%Y-%m-%dT%H:%M:%SZ")


def _repository(account: Account, owner: str, name: str) -> Document:
    found = account.get("repository", name)
    if found is None or found.get("owner", owner).casefold() != owner.casefold():
        raise _not_found()
    return found


def _environments(account: Account, owner: str, repository: str, name: str | None = None) -> list[Document]:
    """The environments of a repository, or the one of that name in any case, else 404."""
    _repository(account, owner, repository)
    found = [document for _, document in account.find("environment", repository=repository)]
    if name is None:
        return found
    named = [document for document in found if document["name"].casefold() == name.casefold()]
    if not named:
        raise _not_found()
    return named


def _environment_json(account: Account, environment: Document) -> Document:
    """Rules are listed only where they exist, as GitHub does."""
    number = zlib.crc32(f"{environment['repository']}:{environment['name']}".encode())
    policy, rules = environment.get("deploymentBranchPolicy"), []
    if environment.get("waitTimer"):
        rules.append({"type": "wait_timer", "wait_timer": environment["waitTimer"]})
    if environment.get("reviewers"):
        reviewers = [
            {"type": "User", "reviewer": _user_json(str(id), account.get("user", str(id)) or {})}
            for id in environment["reviewers"].get("users", [])
        ] + [
            {"type": "Team", "reviewer": _team_json(str(id), account.get("team", str(id)) or {})}
            for id in environment["reviewers"].get("teams", [])
        ]
        review = {"prevent_self_review": environment["preventSelfReview"], "reviewers": reviewers}
        rules.append({"type": "required_reviewers", **review})
    if policy:
        rules.append({"type": "branch_policy"})
        names = {"protected_branches": "protectedBranches", "custom_branch_policies": "customBranchPolicies"}
        policy = {name: policy[own] for name, own in names.items()}
    return {
        "id": number,
        "node_id": f"EN_{number}",
        "name": environment["name"],
        "protection_rules": [
            {"id": number + i, "node_id": f"GA_{i}", **rule} for i, rule in enumerate(rules)
        ],
        "deployment_branch_policy": policy,
        "can_admins_bypass": environment.get("canAdminsBypass", True),
        "created_at": _time(environment, "created_at"),
        "updated_at": _time(environment, "updated_at"),
    }


def _user_json(id: str, user: Document) -> Document:
    return {"id": int(id), "login": user["login"], "type": "User", "site_admin": False}


def _team_json(id: str, team: Document) -> Document:
    slug = team.get("slug", team["name"])
    return {"id": int(id), "name": team["name"], "slug": slug, "privacy": "closed"}


def _get_user(account: Account, _: Query, __: Any, login: str) -> Answer:
    for id, user in account.find("user"):
        if user["login"].casefold() == login.casefold():
            return 200, _user_json(id, user)
    raise _not_found()


def _get_github_team(account: Account, _: Query, __: Any, owner: str, slug: str) -> Answer:
    owners = {repository.get("owner") for _, repository in account.find("repository")}
    for id, team in account.find("team"):
        if owner in owners and team.get("slug", team["name"]) == slug:
            return 200, _team_json(id, team)
    raise _not_found()


def _get_organization(account: Account, _: Query, __: Any, name: str) -> Answer:
    """The plan is shown to whoever administers the organization, and to nobody else."""
    owned = [r for _, r in account.find("repository") if r.get("owner", "").casefold() == name.casefold()]
    if not owned:
        raise _not_found()
    answer: Document = {"login": owned[0]["owner"], "id": zlib.crc32(name.encode()), "type": "Organization"}
    if "organization_administration" not in _lacking(account):
        answer["plan"] = {"name": owned[0].get("plan", "free"), "private_repos": 9999}
    return 200, answer


def _get_actions_permissions(account: Account, _: Query, __: Any, owner: str, name: str) -> Answer:
    _repository(account, owner, name)
    return 200, {"enabled": True, "allowed_actions": "all"}


def _get_repository(account: Account, _: Query, __: Any, owner: str, name: str) -> Answer:
    repository = _repository(account, owner, name)
    visibility = repository.get("visibility", "public")
    return 200, {
        "id": repository.get("id", zlib.crc32(name.encode())),
        "name": name,
        "full_name": f"{owner}/{name}",
        "owner": {"login": owner},
        "private": visibility != "public",
        "visibility": visibility,
        "default_branch": repository.get("defaultBranch", "main"),
    }


def _wrapped(name: str, items: list[Document], query: Query) -> Answer:
    total = len(items)
    return 200, _Page(items, query, lambda page: {"total_count": total, name: page})


def _get_github_environments(account: Account, query: Query, _: Any, owner: str, name: str) -> Answer:
    found = [_environment_json(account, each) for each in _environments(account, owner, name)]
    return _wrapped("environments", found, query)


def _get_github_environment(
    account: Account, _: Query, __: Any, owner: str, name: str, environment: str
) -> Answer:
    return 200, _environment_json(account, _environments(account, owner, name, environment)[0])


def _put_github_environment(
    account: Account, _: Query, body: Any, owner: str, name: str, environment: str
) -> Answer:
    """The whole protection (REST, create-or-update-an-environment): the stand-in's own rules of it."""
    _repository(account, owner, name)
    kinds = {"users": "User", "teams": "Team"}
    asked = {
        kind: [each["id"] for each in body.get("reviewers") or [] if each["type"] == type]
        for kind, type in kinds.items()
    }
    policy = body.get("deployment_branch_policy")
    github.configure({"token": demo.GITHUB_TOKEN, "owner": owner})  # whose repositories its rules look up
    github.put_environment(
        account,
        {
            "repository": name,
            "environment": environment,
            "waitTimer": body.get("wait_timer", 0),
            "preventSelfReview": body.get("prevent_self_review", False),
            "canAdminsBypass": body.get("can_admins_bypass", True),
            "reviewers": [asked] if any(asked.values()) else None,
            "deploymentBranchPolicy": policy
            and {
                "protectedBranches": policy["protected_branches"],
                "customBranchPolicies": policy["custom_branch_policies"],
            },
        },
    )
    return 200, _environment_json(account, _environments(account, owner, name, environment)[0])


def _get_collaborator(account: Account, _: Query, __: Any, owner: str, name: str, login: str) -> Answer:
    """204 for whoever has access, by whatever way."""
    repository = _repository(account, owner, name)
    for id, user in account.find("user"):
        if user["login"].casefold() == login.casefold() and github.may_read(repository, "users", int(id)):
            return 204, None
    raise _not_found()


def _get_team_repository(
    account: Account, query: Query, _: Any, owner: str, slug: str, __: str, name: str
) -> Answer:
    """204 for a team with access of its own."""
    _, team = _get_github_team(account, query, None, owner, slug)
    if not github.may_read(_repository(account, owner, name), "teams", team["id"]):
        raise _not_found()
    return 204, None


def _get_policies(account: Account, query: Query, _: Any, owner: str, name: str, environment: str) -> Answer:
    stored = _environments(account, owner, name, environment)[0]["name"]
    found = [
        {"id": int(id), "node_id": f"BP_{id}", "name": policy["name"], "type": policy["type"]}
        for id, policy in account.find("policy", repository=name, environment=stored)
    ]
    return _wrapped("branch_policies", found, query)


def _delete_policy(
    account: Account, _: Query, __: Any, owner: str, name: str, environment: str, id: str
) -> Answer:
    stored = _environments(account, owner, name, environment)[0]["name"]
    policy = account.get("policy", id)
    if policy is None or (policy["repository"], policy["environment"]) != (name, stored):
        raise ServiceError(404, "not_found", "Not Found")
    account.delete("policy", id)
    return 204, None


def _get_entries(account: Account, query: Query, _: Any, owner: str, name: str, *rest: str) -> Answer:
    """Secrets or variables of an environment or, without one, of the repository. Secrets have no value."""
    *environment, plural = rest
    _repository(account, owner, name)
    where = _environments(account, owner, name, environment[0])[0]["name"] if environment else None
    found = [
        {
            "name": entry["name"],
            **({"value": entry["value"]} if plural == "variables" else {}),
            "created_at": _time(entry, "created_at"),
            "updated_at": _time(entry, "updated_at"),
        }
        for _, entry in account.find(plural.removesuffix("s"), repository=name, environment=where)
    ]
    return _wrapped(plural, found, query)


def _get_rulesets(account: Account, query: Query, _: Any, owner: str, name: str) -> Answer:
    if not github.pays(_repository(account, owner, name)):
        message = "Upgrade to GitHub Pro or make this repository public to enable this feature."
        raise ServiceError(403, "forbidden", message)
    found = [_ruleset_json(owner, *each) for each in account.find("ruleset", repository=name)]
    return 200, _Page(found, query, list)


def _get_ruleset(account: Account, _: Query, __: Any, owner: str, name: str, id: str) -> Answer:
    """Without its rules. A token that only reads is not told the bypass actors (`_answer`)."""
    _repository(account, owner, name)
    ruleset = account.get("ruleset", id)
    if ruleset is None or ruleset["repository"] != name:
        raise ServiceError(404, "not_found", "Not Found")
    actors = [
        {"actor_id": a.get("actorId"), "actor_type": a["actorType"], "bypass_mode": a["bypassMode"]}
        for a in ruleset.get("bypassActors") or []
    ]
    return 200, _ruleset_json(owner, id, ruleset) | {"bypass_actors": actors}


def _ruleset_json(owner: str, id: str, ruleset: Document) -> Document:
    return {
        "id": int(id),
        "node_id": ruleset.get("node_id", f"RRS_{id}"),
        "name": ruleset["name"],
        "target": ruleset["target"],
        "source_type": "Repository",
        "source": f"{owner}/{ruleset['repository']}",
        "enforcement": ruleset["enforcement"],
    }


# --- GitHub: issues, pull requests and their comments -------------------------------------------------

_LONGEST_BODY: Final = 65_536  # characters; GitHub counts a few bytes each, so four-byte ones fit as well
_LONGEST_TITLE: Final = 256
_BOT: Final = {"login": "github-actions[bot]", "type": "Bot"}  # whom a job's own token acts as


def _text(body: Any, name: str, longest: int, default: str | None = None) -> str:
    value = body.get(name, default)
    if not isinstance(value, str) or (default is None and not value.strip()):
        raise ServiceError(422, "validation_failed", f"Validation Failed: {name} is missing or no text")
    if len(value) > longest:
        text = f"Validation Failed: {name} is too long (maximum is {longest} characters)"
        raise ServiceError(422, "validation_failed", text)
    return value


def _labels(body: Any) -> list[str]:
    labels = body.get("labels", [])
    if not isinstance(labels, list):
        raise ServiceError(422, "validation_failed", "Validation Failed: labels is no list")
    return [str(label) for label in labels]


def _issue(account: Account, owner: str, name: str, number: str) -> Document:
    _repository(account, owner, name)
    found = account.get("issue", f"{name}#{number}")
    if found is None:
        raise _not_found()
    return found


def _issue_json(owner: str, issue: Document) -> Document:
    path = f"{owner}/{issue['repository']}/{'pull' if issue['pullRequest'] else 'issues'}/{issue['number']}"
    url = f"https://github.com/{path}"
    return {
        "number": issue["number"],
        "title": issue["title"],
        "body": issue["body"],
        "state": issue["state"],
        "labels": [{"name": label} for label in issue["labels"]],
        "user": issue["user"],
        "html_url": url,
        **({"pull_request": {"html_url": url}} if issue["pullRequest"] else {}),
    }


def _comment_json(id: str, comment: Document) -> Document:
    return {"id": int(id), "body": comment["body"], "user": comment["user"]}


def _get_issues(account: Account, query: Query, _: Any, owner: str, name: str) -> Answer:
    """Pull requests are issues too, as at GitHub; newest first."""
    _repository(account, owner, name)
    state, labels = query.get("state", "open"), set(filter(None, query.get("labels", "").split(",")))
    found = [
        _issue_json(owner, issue)
        for _, issue in account.find("issue", repository=name)
        if state in ("all", issue["state"]) and labels <= set(issue["labels"])
    ]
    return 200, _Page(sorted(found, key=lambda issue: -int(issue["number"])), query, list)


def _post_issue(account: Account, _: Query, body: Any, owner: str, name: str) -> Answer:
    _repository(account, owner, name)
    number = 1 + max((issue["number"] for _, issue in account.find("issue", repository=name)), default=0)
    issue = {
        "repository": name,
        "number": number,
        "title": _text(body, "title", _LONGEST_TITLE),
        "body": _text(body, "body", _LONGEST_BODY, ""),
        "state": "open",
        "labels": _labels(body),
        "user": _BOT,
        "pullRequest": False,
    }
    account.put("issue", f"{name}#{number}", issue)
    return 201, _issue_json(owner, issue)


def _patch_issue(account: Account, _: Query, body: Any, owner: str, name: str, number: str) -> Answer:
    old = _issue(account, owner, name, number)
    state = body.get("state", old["state"])
    if state not in ("open", "closed"):
        raise ServiceError(422, "validation_failed", f"Validation Failed: state {state!r}")
    issue = {
        **old,
        "title": _text(body, "title", _LONGEST_TITLE, old["title"]),
        "body": _text(body, "body", _LONGEST_BODY, old["body"]),
        "state": state,
    }
    account.put("issue", f"{name}#{number}", issue)
    return 200, _issue_json(owner, issue)


def _get_comments(account: Account, query: Query, _: Any, owner: str, name: str, number: str) -> Answer:
    """Oldest first."""
    _issue(account, owner, name, number)
    found = account.find("comment", repository=name, issue=int(number))
    return 200, _Page([_comment_json(*each) for each in sorted(found, key=lambda c: int(c[0]))], query, list)


def _post_comment(account: Account, _: Query, body: Any, owner: str, name: str, number: str) -> Answer:
    _issue(account, owner, name, number)
    id = str(1 + max((int(id) for id, _ in account.find("comment")), default=1000))
    text = _text(body, "body", _LONGEST_BODY)
    account.put("comment", id, {"repository": name, "issue": int(number), "body": text, "user": _BOT})
    return 201, _comment_json(id, account.get("comment", id) or {})


def _comment(account: Account, owner: str, name: str, id: str) -> Document:
    _repository(account, owner, name)
    found = account.get("comment", id)
    if found is None or found["repository"] != name:
        raise _not_found()
    return found


def _patch_comment(account: Account, _: Query, body: Any, owner: str, name: str, id: str) -> Answer:
    comment = {**_comment(account, owner, name, id), "body": _text(body, "body", _LONGEST_BODY)}
    account.put("comment", id, comment)
    return 200, _comment_json(id, comment)


def _delete_comment(account: Account, _: Query, __: Any, owner: str, name: str, id: str) -> Answer:
    _comment(account, owner, name, id)
    account.delete("comment", id)
    return 204, None


def _commit(account: Account, owner: str, name: str, sha: str) -> Document:
    """A commit of the repository; its document names its parent and the files it changed."""
    _repository(account, owner, name)
    found = account.get("commit", f"{name}:{sha}")
    if found is None:
        raise ServiceError(422, "unprocessable", f"No commit found for SHA: {sha}")
    return found


def _get_check_runs(account: Account, query: Query, _: Any, owner: str, name: str, sha: str) -> Answer:
    """The latest run of each name."""
    _commit(account, owner, name, sha)
    found = [
        {
            "id": int(id),
            "head_sha": sha,
            "name": run["name"],
            "status": run["status"],
            "conclusion": run["conclusion"],
            "html_url": f"https://github.com/{owner}/{name}/runs/{id}",
        }
        for id, run in account.find("checkRun", repository=name, sha=sha)
    ]
    return _wrapped("check_runs", found, query)


def _get_pulls_of_commit(account: Account, query: Query, _: Any, owner: str, name: str, sha: str) -> Answer:
    _commit(account, owner, name, sha)
    found = [
        {
            "number": int(id),
            "state": "closed",
            "merged_at": pull["merged_at"],
            "merge_commit_sha": pull["merge_commit_sha"],
            "head": {"sha": pull["head_sha"]},
        }
        for id, pull in account.find("pull", repository=name, merge_commit_sha=sha)
    ]
    return 200, _Page(found, query, list)


def _get_comparison(
    account: Account, _: Query, __: Any, owner: str, name: str, base: str, head: str
) -> Answer:
    """Files that the commits after `base` changed. Histories are straight lines here."""
    for sha in (base, head):
        if account.get("commit", f"{name}:{sha}") is None:
            raise _not_found()

    def line(sha: str | None) -> list[str]:
        found = []
        while sha:
            found.append(sha)
            sha = _commit(account, owner, name, sha).get("parent")
        return found

    ahead = [sha for sha in line(head) if sha not in line(base)]
    behind = [sha for sha in line(base) if sha not in line(head)]
    status = {(0, 0): "identical", (1, 0): "ahead", (0, 1): "behind", (1, 1): "diverged"}
    files: dict[str, Document] = {}
    for sha in reversed(ahead):
        for file in _commit(account, owner, name, sha).get("files", []):
            files[file["filename"]] = file
    return 200, {
        "status": status[bool(ahead), bool(behind)],
        "ahead_by": len(ahead),
        "behind_by": len(behind),
        "commits": [{"sha": sha} for sha in reversed(ahead)],
        "total_commits": len(ahead),
        "files": list(files.values())[:300],
    }


def _get_workflows(account: Account, query: Query, _: Any, owner: str, name: str) -> Answer:
    """The workflow files that GitHub knows, by what the account says of them."""
    _repository(account, owner, name)
    found = [
        {"id": int(id), "name": workflow["name"], "path": workflow["path"], "state": workflow["state"]}
        for id, workflow in account.find("workflow", repository=name)
    ]
    return _wrapped("workflows", found, query)


def _get_workflow_runs(account: Account, query: Query, _: Any, owner: str, name: str, file: str) -> Answer:
    _repository(account, owner, name)
    path = f".github/workflows/{file}"
    found = [
        {
            "id": int(id),
            "name": run["name"],
            "display_title": run.get("display_title", run["name"]),
            "created_at": run.get("created_at", "2026-02-22T00:00:00Z"),
            "path": path,
            "head_sha": run["head_sha"],
            "status": run["status"],
            "conclusion": run.get("conclusion"),
        }
        for id, run in account.find("workflowRun", repository=name, path=path)
        if query.get("head_sha", run["head_sha"]) == run["head_sha"]
        and query.get("status") in (None, run["status"], run.get("conclusion"))
    ]
    if not account.find("workflowRun", repository=name, path=path):
        raise _not_found()
    return _wrapped("workflow_runs", found, query)


_Route = tuple[str, str, Callable[..., Answer]]
_R: Final = r"/repos/([^/]+)/([^/]+)"
_P: Final = r"/v\d+/projects/([^/]+)"
_ROUTES: Final[dict[str, tuple[_Route, ...]]] = {
    "vercel": (
        ("GET", _P, _get_project),
        ("GET", _P + "/env", _get_variables),
        ("POST", _P + "/env", _post_variables),
        ("GET", _P + "/env/([^/]+)", _get_variable),
        ("PATCH", _P + "/env/([^/]+)", _patch_variable),
        ("DELETE", _P + "/env/([^/]+)", _delete_variable),
        ("GET", _P + "/domains", _get_domains),
        ("GET", _P + "/custom-environments", _get_environments),
        ("POST", _P + "/promote/([^/]+)", _promote),
        ("GET", r"/v\d+/deployments", _get_deployments),
        ("GET", r"/v\d+/deployments/([^/]+)", _get_deployment),
        ("GET", r"/v\d+/aliases/([^/]+)", _get_alias),
        ("GET", r"/v\d+/teams/([^/]+)", _get_team),
        ("GET", r"/v\d+/user/tokens/current", _get_token),
        ("GET", r"/v\d+/domains/([^/]+)/config", _get_domain_config),
        ("GET", r"/v\d+/edge-config", _get_edge_configs),
        ("GET", r"/v\d+/edge-config/([^/]+)/items", _get_edge_items),
        ("PATCH", r"/v\d+/edge-config/([^/]+)/items", _patch_edge_items),
    ),
    "edge-config": (("GET", r"/([^/]+)/item/([^/]+)", _read_edge_item),),
    "github": (
        ("GET", r"/users/([^/]+)", _get_user),
        ("GET", r"/orgs/([^/]+)/teams/([^/]+)", _get_github_team),
        ("GET", r"/orgs/([^/]+)/teams/([^/]+)/repos/([^/]+)/([^/]+)", _get_team_repository),
        ("GET", r"/orgs/([^/]+)", _get_organization),
        ("GET", _R, _get_repository),
        ("GET", _R + "/actions/permissions", _get_actions_permissions),
        ("GET", _R + "/environments", _get_github_environments),
        ("GET", _R + "/environments/([^/]+)", _get_github_environment),
        ("PUT", _R + "/environments/([^/]+)", _put_github_environment),
        ("GET", _R + "/collaborators/([^/]+)", _get_collaborator),
        ("GET", _R + "/environments/([^/]+)/deployment-branch-policies", _get_policies),
        ("DELETE", _R + "/environments/([^/]+)/deployment-branch-policies/([^/]+)", _delete_policy),
        ("GET", _R + "/environments/([^/]+)/(secrets|variables)", _get_entries),
        ("GET", _R + "/actions/(secrets|variables)", _get_entries),
        ("GET", _R + "/rulesets", _get_rulesets),
        ("GET", _R + "/rulesets/([^/]+)", _get_ruleset),
        ("GET", _R + "/issues", _get_issues),
        ("POST", _R + "/issues", _post_issue),
        ("PATCH", _R + r"/issues/(\d+)", _patch_issue),
        ("GET", _R + r"/issues/(\d+)/comments", _get_comments),
        ("POST", _R + r"/issues/(\d+)/comments", _post_comment),
        ("PATCH", _R + r"/issues/comments/(\d+)", _patch_comment),
        ("DELETE", _R + r"/issues/comments/(\d+)", _delete_comment),
        ("GET", _R + "/commits/([^/]+)/check-runs", _get_check_runs),
        ("GET", _R + "/commits/([^/]+)/pulls", _get_pulls_of_commit),
        ("GET", _R + "/compare/([^/.]+)\\.\\.\\.([^/.]+)", _get_comparison),
        ("GET", _R + "/actions/workflows", _get_workflows),
        ("GET", _R + "/actions/workflows/([^/]+)/runs", _get_workflow_runs),
    ),
}
