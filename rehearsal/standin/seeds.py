"""Fills a new rehearsal account with what PaintShare's teams have before this program arrives.

Vercel: the project connected to git, some settings that differ from the defaults, variables made by hand
with their usual flaws, its domain and what it serves. GitHub: both repositories, the reviewers, and the two
unprotected environments that Vercel's integration makes. Ids of hand-made objects never change.
"""

from pathlib import Path
from typing import Final

from plan.protection import APP_CHECKS, GITHUB_ACTIONS
from rehearsal import demo
from rehearsal.standin.account import Account, new_id
from rehearsal.standin.vercel.deployment import build
from rehearsal.standin.vercel.project import new_project
from rehearsal.standin.vercel.service import now
from rehearsal.standin.vercel.variable import put_variable

REPOSITORY: Final = f"{demo.GITHUB_OWNER}/{demo.APP_REPOSITORY}"

# Settings of the project that differ from what a new one has: adoption must not change one of them.
PROJECT_SETTINGS: Final = {
    "buildCommand": "npm run build:web",
    "framework": "nextjs",
    "nodeVersion": "22.x",
    "prioritiseProductionBuilds": True,
    "resourceConfig": {"functionDefaultRegions": ["icn1"]},
    "skewProtection": "12 hours",
}

# Ids of the variables made by hand, by key.
VARIABLES: Final = {
    "NEXT_PUBLIC_SUPABASE_URL": "seedSupabaseUrl1",
    "NEXT_PUBLIC_APP_URL": "seedAppUrl000001",
    "NEXT_PUBLIC_SENTRY_DSN": "seedSentryDsn001",
    "SUPABASE_SERVICE_ROLE_KEY": "seedServiceRole1",
    "NEXT_PUBLIC_ANALYTICS_ID": "seedAnalytics001",  # no row of the matrix: never to be touched
}


def seed(path: Path) -> None:
    """Fill the account file. Raises FileExistsError when it already holds anything."""
    accounts = {service: Account(path, service) for service in ("vercel", "github")}
    try:
        if any(account.dump() for account in accounts.values()):
            raise FileExistsError(f"{path}: the account is not empty; reset the rehearsal first")
        with accounts["vercel"].transaction():
            _seed_vercel(accounts["vercel"])
        with accounts["github"].transaction():
            _seed_github(accounts["github"])
    finally:
        for account in accounts.values():
            account.close()


def _seed_vercel(account: Account) -> None:
    team = {"slug": demo.VERCEL_TEAM_SLUG, "name": "PaintShare", "plan": "pro", "sensitivePolicy": "default"}
    account.put("team", demo.VERCEL_TEAM_ID, {**team, "customEnvironments": True, "observabilityPlus": True})
    account.put("slackInstallation", "icfg_rehearsalSlack00000001", {"workspace": "paintshare"})
    account.put(
        "repository",
        REPOSITORY,
        {
            "branches": {"main": demo.RELEASES[0], "develop": demo.RELEASES[1]},
            "commits": list(demo.RELEASES),
        },
    )
    git = {"type": "github", "repo": REPOSITORY, "productionBranch": "main"}
    project = new_project(
        demo.VERCEL_PROJECT_NAME, demo.VERCEL_TEAM_ID, {**PROJECT_SETTINGS, "gitRepository": git}
    )
    account.put("project", demo.VERCEL_PROJECT_ID, project)

    # Preview reads production's data: a flaw that the plan forbids (plan 1.2) and adoption has to split.
    production_data = f"https://{demo.SUPABASE_REF['production']}.supabase.co"
    for key, value, targets, type in (
        ("NEXT_PUBLIC_SUPABASE_URL", production_data, ["preview", "production"], "plain"),
        ("NEXT_PUBLIC_APP_URL", f"https://{demo.PRODUCTION_DOMAIN}", ["production"], "plain"),
        ("NEXT_PUBLIC_SENTRY_DSN", "https://handmade@o0.ingest.sentry.io/0", ["production"], "plain"),
        ("SUPABASE_SERVICE_ROLE_KEY", new_id("sb_secret_", 32), ["production"], "encrypted"),
        ("NEXT_PUBLIC_ANALYTICS_ID", "G-HANDMADE00", ["preview", "production"], "plain"),
    ):
        variable = {
            "key": key,
            "value": value,
            "targets": targets,
            "customEnvironmentIds": [],
            "type": type,
            "comment": "",
            "projectId": demo.VERCEL_PROJECT_ID,
            "createdAt": now(),
        }
        put_variable(account, demo.VERCEL_PROJECT_ID, project, VARIABLES[key], variable)

    domain = {"projectId": demo.VERCEL_PROJECT_ID, "createdAt": now(), "updatedAt": now()}
    account.put("domain", demo.PRODUCTION_DOMAIN, domain)
    build(account, demo.VERCEL_PROJECT_ID, project, {"ref": "main", "production": True})


def _seed_github(account: Account) -> None:
    for repository in (demo.APP_REPOSITORY, demo.INFRA_REPOSITORY):
        document = {"owner": demo.GITHUB_OWNER, "visibility": "public", "plan": "team"}
        account.put("repository", repository, {**document, "defaultBranch": "main"})
    _seed_commits(account)
    user, team = demo.REVIEWER_USER, demo.REVIEWER_TEAM
    account.put("user", str(user["id"]), {"login": user["user"]})
    account.put("team", str(team["id"]), {"name": team["team"], "slug": team["team"]})
    for name in ("Preview", "Production"):
        environment = {"repository": demo.APP_REPOSITORY, "name": name, "reviewers": None}
        protection = {"waitTimer": 0, "preventSelfReview": False, "canAdminsBypass": True}
        account.put(
            "environment",
            f"{demo.APP_REPOSITORY}:{name}",
            {**environment, **protection, "deploymentBranchPolicy": None},
        )


def _seed_commits(account: Account) -> None:
    """The releases as one line of commits, each with its checks green."""
    parent = None
    for sha in demo.RELEASES:
        commit(account, sha, parent=parent)
        parent = sha


ACTIONS = {"id": GITHUB_ACTIONS, "slug": "github-actions", "name": "GitHub Actions"}


def commit(account: Account, sha: str, *, parent: str | None) -> None:
    """A commit of the app at GitHub, with every required check green."""
    files = [{"filename": f"app/page-{sha[0]}.tsx", "status": "modified", "patch": "@@ -1 +1 @@"}]
    document = {"repository": demo.APP_REPOSITORY, "parent": parent, "files": files}
    account.put("commit", f"{demo.APP_REPOSITORY}:{sha}", document)
    for place, name in enumerate(APP_CHECKS, 1):
        run = {"name": name, "status": "completed", "conclusion": "success", "app": ACTIONS}
        number = int(sha[0], 16) * 100 + place
        account.put("checkRun", str(number), {"repository": demo.APP_REPOSITORY, "sha": sha, **run})
