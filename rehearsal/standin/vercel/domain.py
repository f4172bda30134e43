"""Domains of a project."""

from typing import Any, Final

from rehearsal.standin import dns
from rehearsal.standin.account import Account, Document
from rehearsal.standin.kinds import Failure, Properties, Read, ServiceError
from rehearsal.standin.rest import Answer, Query, Route
from rehearsal.standin.vercel.service import (
    PROJECT,
    VercelKind,
    asked_project,
    find_environment,
    now,
    one_of,
    page_of,
    parts_of,
    project_of,
    stated,
)


class ProjectDomain(VercelKind):
    type = "vercel:index/projectDomain:ProjectDomain"
    document = "domain"
    replace_on = frozenset({"domain", "projectId", "teamId"})
    computed = frozenset({"misconfigured", "verifications", "verified"})

    def check(self, inputs: Properties) -> list[Failure]:
        failures = one_of(inputs, "redirectStatusCode", (301, 302, 307, 308))
        if inputs.get("gitBranch") and inputs.get("customEnvironmentId"):
            failures.append(Failure("gitBranch", "conflicts with customEnvironmentId"))
        return failures

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        project_id, project = project_of(account, inputs)
        domain = inputs["domain"]
        taken = account.get("domain", domain)
        if taken is not None:
            raise ServiceError(
                409, "domain_already_in_use", f"{domain} is already in use by {taken['projectId']}"
            )
        branch = (project.get("gitRepository") or {}).get("productionBranch")
        if inputs.get("gitBranch") and inputs["gitBranch"] == branch:
            raise ServiceError(
                400,
                "bad_request",
                f"Could not add domain {domain}: the git_branch specified is the production branch, omit it",
            )
        document = {
            "gitBranch": inputs.get("gitBranch"),
            "customEnvironmentId": inputs.get("customEnvironmentId"),
            "redirect": inputs.get("redirect"),
            "redirectStatusCode": inputs.get("redirectStatusCode"),
            "projectId": project_id,
            "createdAt": now(),
            "updatedAt": now(),
        }
        self._check_ends(account, project_id, document)
        account.put("domain", domain, stated(document))
        return domain, self._outputs(account, domain, document, inputs)

    def read(self, account: Account, id: str, state: Properties) -> Read | None:
        project_id = None
        if not state:
            project_id, id = parts_of(id, 2)
        document = account.get("domain", id)
        if document is None or project_id not in (None, document["projectId"]):
            if not state:
                raise ServiceError(404, "not_found", f"Domain {id} not found in {project_id}")
            return None
        return self.answer(id, self._outputs(account, id, document, state))

    def update(self, account: Account, id: str, state: Properties, inputs: Properties) -> Properties:
        del state
        document = self.existing(account, id)
        document |= {name: inputs.get(name) for name in ("gitBranch", "redirect", "redirectStatusCode")}
        if inputs.get("customEnvironmentId"):  # omitted when null: it stays
            document["customEnvironmentId"] = inputs["customEnvironmentId"]
        self._check_ends(account, document["projectId"], document)
        account.put("domain", id, stated({**document, "updatedAt": now()}))
        return self._outputs(account, id, document, inputs)

    def delete(self, account: Account, id: str, state: Properties) -> None:
        del state
        account.delete("alias", id)
        account.delete("domain", id)

    def _check_ends(self, account: Account, project_id: str, document: Document) -> None:
        redirect = document.get("redirect")
        if redirect and (account.get("domain", redirect) or {}).get("projectId") != project_id:
            raise ServiceError(
                400, "bad_request", f"The redirect target {redirect} is no domain of {project_id}"
            )
        if document.get("customEnvironmentId"):
            find_environment(account, project_id, document["customEnvironmentId"])

    def _outputs(
        self, account: Account, domain: str, document: Document, stated_before: Properties
    ) -> Properties:
        names = ("gitBranch", "customEnvironmentId", "redirect", "redirectStatusCode", "projectId")
        outputs = stated({name: document.get(name) for name in names})
        project = account.get("project", document["projectId"]) or {}
        outputs |= stated(
            {"teamId": project.get("teamId"), "waitForReady": stated_before.get("waitForReady")}
        )
        return {**outputs, "domain": domain, "misconfigured": False, "verifications": [], "verified": True}


def domains_of(
    account: Account, project_id: str, target: str, custom: str | None, ref: str | None
) -> list[str]:
    """The domains that a new deployment takes over: production's, its branch's, or its environment's."""
    found = []
    for domain, document in account.find("domain", projectId=project_id):
        branch, environment = document.get("gitBranch"), document.get("customEnvironmentId")
        if document.get("redirect"):
            continue
        if custom:
            match = environment == custom
        elif target == "production":
            match = branch is None and environment is None
        else:
            match = branch is not None and branch == ref
        if match:
            found.append(domain)
    return found


def _get_domains(account: Account, query: Query, _: Any, name: str) -> Answer:
    id, _project_document = asked_project(account, query, name)
    found = [domain_json(*each) for each in account.find("domain", projectId=id)]
    return 200, page_of("domains", found, query, 20)


def domain_json(domain: str, document: Document) -> Document:
    """A domain as the REST API words one."""
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


ROUTES: Final[tuple[Route, ...]] = (
    ("GET", PROJECT + "/domains", _get_domains),
    ("GET", r"/v\d+/domains/([^/]+)/config", _get_domain_config),
)
