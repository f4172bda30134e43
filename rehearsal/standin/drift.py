"""Changes made by hand in the dashboards: what `python -m rehearsal drift NAME` does to the account.

Each looks its object up by key and changes it as a person would, behind the program's back. Raises
LookupError, with what to do, while the object is not there yet.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

from rehearsal import demo
from rehearsal.standin import vercel
from rehearsal.standin.account import Account, Document

BY_HAND: Final = "set-by-hand"  # the value of a secret that somebody typed


@dataclass(frozen=True)
class Drift:
    """One change by hand. `seen` tells whether a refresh shows it (FACTS)."""

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
    stamp = {"updatedAt": vercel.now()} if "updatedAt" in document else {}
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
    found = account.find("secret", repository=demo.APP_REPOSITORY)
    mine = [each for each in found if (each[1].get("environment") or "").casefold() == "production"]
    if not mine:
        raise LookupError("the account has no secret of production yet: apply production first")
    id, secret = mine[0]
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f +0000 UTC")
    account.put("secret", id, {**secret, "value": BY_HAND, "updated_at": now})


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
}
