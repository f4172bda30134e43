"""Changes made by hand in the dashboards: what `python -m rehearsal drift NAME` does to the account.

Each looks its object up by key and changes it as a person would, behind the program's back. Raises
LookupError, with what to do, while the object is not there yet.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

from rehearsal import demo
from rehearsal.standin.account import Account, Document
from rehearsal.standin.vercel.service import now

BY_HAND: Final = "set-by-hand"  # the value of a secret that somebody typed
# People are slower than tests: a change by hand comes a minute after what the program wrote.
LATER: Final = timedelta(minutes=1)


@dataclass(frozen=True)
class Drift:
    """One change by hand. `seen` tells whether a refresh shows it (docs/hazards.md)."""

    description: str
    service: Literal["vercel", "github"]
    change: Callable[[Account], None]
    seen: bool = True

    def apply(self, path: Path) -> None:
        """Make the change in the account file."""
        account = Account(path, self.service)
        try:
            with account.transaction():
                self.change(account)
        finally:
            account.close()


def _only(account: Account, kind: str, what: str, **fields: Any) -> tuple[str, Document]:
    found = account.find(kind, **fields)
    if not found:
        raise LookupError(f"the account has no {what} yet: apply the stack that declares it first")
    return found[0]


def _edit(account: Account, kind: str, found: tuple[str, Document], **changes: Any) -> None:
    id, document = found
    later = now() + int(LATER.total_seconds() * 1000)
    stamp = {"updatedAt": later} if "updatedAt" in document else {}
    account.put(kind, id, {**document, **stamp, **changes})


def _app_url(account: Account) -> None:
    found = _only(
        account,
        "variable",
        "NEXT_PUBLIC_APP_URL of production",
        projectId=demo.VERCEL_PROJECT_ID,
        key="NEXT_PUBLIC_APP_URL",
        targets=["production"],
    )
    _edit(account, "variable", found, value="https://edited-by-hand.example")


def _skew_protection(account: Account) -> None:
    project = _only(account, "project", "project", name=demo.VERCEL_PROJECT_NAME)
    _edit(account, "project", project, skewProtection=None)


def _branch_tracking(account: Account) -> None:
    environment = _only(
        account, "environment", "custom environment", projectId=demo.VERCEL_PROJECT_ID, name="staging"
    )
    _edit(account, "environment", environment, branchTracking={"type": "startsWith", "pattern": "feature/"})


def _domain_removed(account: Account) -> None:
    if account.get("domain", demo.STAGING_DOMAIN) is None:
        raise LookupError(f"the account has no {demo.STAGING_DOMAIN} yet: apply staging first")
    account.delete("alias", demo.STAGING_DOMAIN)
    account.delete("domain", demo.STAGING_DOMAIN)


def _protected(change: Callable[[Document], Document]) -> Callable[[Account], None]:
    """A change of the environment `production` of the app's repository, whatever the case of its name."""

    def edit(account: Account) -> None:
        for id, environment in account.find("environment", repository=demo.APP_REPOSITORY):
            if environment["name"].casefold() == "production":
                account.put("environment", id, {**environment, **change(environment)})
                return
        raise LookupError("the account has no environment production: seed it first")

    return edit


def _other_wait(environment: Document) -> Document:
    return {"waitTimer": 0 if environment.get("waitTimer") else 45}


def _ruleset_off(account: Account) -> None:
    for id, ruleset in account.find("ruleset", repository=demo.APP_REPOSITORY):
        refs = (ruleset.get("conditions") or {}).get("refName") or {}
        if "refs/heads/main" in refs.get("includes", []):
            account.put("ruleset", id, {**ruleset, "enforcement": "disabled"})
            return
    raise LookupError("the account has no ruleset of main yet: apply production first")


def _secret_by_hand(account: Account) -> None:
    id, secret = _of_production(account, "secret")
    later = (datetime.now(UTC) + LATER).strftime("%Y-%m-%d %H:%M:%S.%f +0000 UTC")
    account.put("secret", id, {**secret, "value": BY_HAND, "updated_at": later})


def _sensitive_variable(account: Account) -> None:
    found = _only(
        account,
        "variable",
        "BATTLE_PASSWORD_PEPPER of production",
        projectId=demo.VERCEL_PROJECT_ID,
        key="BATTLE_PASSWORD_PEPPER",
        targets=["production"],
        type="sensitive",
    )
    _edit(account, "variable", found, value=BY_HAND)


def _alias_moved(account: Account) -> None:
    """What *Instant Rollback* of the dashboard does: the domain goes to another build, nothing is built."""
    alias = account.get("alias", demo.PRODUCTION_DOMAIN)
    others = [
        (deployment["createdAt"], id)
        for id, deployment in account.find("deployment", projectId=demo.VERCEL_PROJECT_ID)
        if deployment["target"] == "production" and alias and id != alias["deploymentId"]
    ]
    if alias is None or not others:
        raise LookupError("production serves no release yet: apply production first")
    _edit(account, "alias", (demo.PRODUCTION_DOMAIN, alias), deploymentId=max(others)[1])


def _kill_switch(account: Account) -> None:
    for id, item in account.find("edgeConfigItem", key="battle"):
        config = account.get("edgeConfig", item["edgeConfigId"])
        if config and config["name"] == "paintshare-production":
            _edit(account, "edgeConfigItem", (id, item), value="off")
            return
    raise LookupError("the account has no kill switch of production yet: apply production first")


def _policy_added(account: Account) -> None:
    for _, environment in account.find("environment", repository=demo.APP_REPOSITORY):
        if environment["name"].casefold() == "production":
            where = {"repository": demo.APP_REPOSITORY, "environment": environment["name"]}
            account.put("policy", "990001", {**where, "name": "hotfix/*", "type": "branch"})
            return
    raise LookupError("the account has no environment production: seed it first")


def _of_production(account: Account, kind: str, **fields: str) -> tuple[str, Document]:
    """An object below the environment `production` of the app's repository."""
    for id, found in account.find(kind, repository=demo.APP_REPOSITORY, **fields):
        if (found.get("environment") or "").casefold() == "production":
            return id, found
    raise LookupError(f"the account has no {kind} of production yet: apply production first")


def _github_variable(account: Account) -> None:
    id, variable = _of_production(account, "variable", name="NEXT_PUBLIC_APP_URL")
    account.put("variable", id, {**variable, "value": "https://edited-by-hand.example"})


def _policy_removed(account: Account) -> None:
    id, _ = _of_production(account, "policy", type="branch", name="main")
    account.delete("policy", id)


def _bypass_added(account: Account) -> None:
    found = _only(
        account, "ruleset", "ruleset of main", repository=demo.APP_REPOSITORY, name="paintshare main"
    )
    actor = {"actorId": 5, "actorType": "RepositoryRole", "bypassMode": "always"}  # 5: administrators
    _edit(account, "ruleset", found, bypassActors=[actor])


DRIFTS: Final[dict[str, Drift]] = {
    "app-url": Drift("NEXT_PUBLIC_APP_URL of production edited on Vercel", "vercel", _app_url),
    "skew-protection": Drift("skew protection switched off on Vercel", "vercel", _skew_protection),
    "branch-tracking": Drift("staging follows feature/ instead of develop", "vercel", _branch_tracking),
    "domain-removed": Drift(f"{demo.STAGING_DOMAIN} taken off the project", "vercel", _domain_removed),
    "wait-timer": Drift("another wait timer before production", "github", _protected(_other_wait)),
    "admin-bypass": Drift(
        "administrators may bypass production's protection",
        "github",
        _protected(lambda _: {"canAdminsBypass": True}),
    ),
    "reviewers-removed": Drift(
        "nobody has to approve production any more",
        "github",
        _protected(lambda _: {"reviewers": None, "preventSelfReview": False}),
        seen=False,
    ),
    "ruleset-off": Drift("the ruleset of main switched off", "github", _ruleset_off),
    "secret-by-hand": Drift(
        "a secret of production set again by hand on GitHub", "github", _secret_by_hand, seen=False
    ),
    "variable-by-hand": Drift(
        "the pepper of production, a sensitive variable, edited on Vercel",
        "vercel",
        _sensitive_variable,
        seen=False,
    ),
    "alias-moved": Drift("an instant rollback in Vercel's dashboard", "vercel", _alias_moved),
    "kill-switch": Drift("battle switched off in Vercel's dashboard", "vercel", _kill_switch),
    "policy-added": Drift("hotfix/* may deploy to production too", "github", _policy_added, seen=False),
    "policy-removed": Drift("main may no longer deploy to production", "github", _policy_removed),
    "github-variable": Drift("a variable of production edited on GitHub", "github", _github_variable),
    "bypass-added": Drift("administrators may bypass the ruleset of main", "github", _bypass_added),
}
