"""Names and passwords that become part of an address or a header, where another form is another place.

A name that its service cannot have finds nothing there, which reads like "does not exist yet".
"""

import re
from collections.abc import Iterator
from typing import Final

from plan import paths
from plan.channels import fault_of_path
from plan.preflight.fixes import to_set
from plan.problems import Problem
from plan.settings import PLACEHOLDER, Settings

_REPOSITORY: Final = re.compile(r"(?!.*\.git$)[A-Za-z0-9._-]+")
# Key -> grammar, and what it is. Sources: the forms in which each service makes them.
_NAMES: Final = {
    "githubOwner": (re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*"), "name of an owner: no URL, no @, no slash"),
    "appRepository": (_REPOSITORY, "name of a repository: without owner, URL and .git"),
    "infraRepository": (_REPOSITORY, "name of a repository: without owner, URL and .git"),
    "vercelTeamSlug": (re.compile(r"[a-z0-9][a-z0-9_-]*"), "slug of a team, as in vercel.com/SLUG"),
    "vercelProjectName": (re.compile(r"[a-z0-9][a-z0-9._-]*"), "name of a project, in lower case"),
    "supabaseRef": (re.compile(r"[a-z0-9]+"), "ref of a project, as in https://REF.supabase.co"),
    "registryUser": (re.compile(r"[^:\s]+"), "user of a registry, who has no colon and no space"),
}
# git, check-ref-format; what begins with refs/ would be a branch of that name.
_BRANCH: Final = re.compile(
    r"(?!refs/)(?![-/.])(?!.*(?:\.\.|//|/\.|@\{|\.lock(?:/|$)))[^\x00-\x20\x7f~^:?*\[\\]+(?<![/.])"
)
_TAGS: Final = re.compile(r"(?!refs/)(?![-/])[^\x00-\x20\x7f~^:\\]+(?<!/)")
# Sent in a header: HTTP knows no other characters there, and each client would write them in its own way.
IN_HEADERS: Final = ("MONITOR_PASSWORD", "SUPABASE_METRICS_KEY", "VERCEL_PROTECTION_BYPASS")
_IN_HEADER: Final = re.compile(r"[\x20-\x7e]+")


def names(settings: Settings) -> Iterator[Problem]:
    """Each in the form that its service gives it."""
    for key, value in (
        ("githubOwner", settings.github_owner),
        ("appRepository", settings.app_repository),
        ("infraRepository", settings.infra_repository),
        ("vercelTeamSlug", settings.vercel_team_slug),
        ("vercelProjectName", settings.vercel_project_name),
        ("supabaseRef", settings.supabase_ref),
        ("registryUser", settings.registry_user),
    ):
        form, what = _NAMES[key]
        if value and PLACEHOLDER not in value and not form.fullmatch(value):
            yield Problem(key, f"{value!r} is no {what}", to_set(settings, key, "NAME"))
    if settings.branch and PLACEHOLDER not in settings.branch and not _BRANCH.fullmatch(settings.branch):
        yield Problem("branch", f"{settings.branch!r} is no branch", to_set(settings, "branch", "NAME"))
    for index, tag in enumerate(settings.tags):
        if not _TAGS.fullmatch(tag):
            path = paths.join("tags", index)
            yield Problem(path, f"{tag!r} is no pattern of tags", to_set(settings, path, "PATTERN"))


def pages(settings: Settings) -> Iterator[Problem]:
    """Pages of the web domain alone: the smoke test sends them the secret that passes the protection."""
    for index, page in enumerate(settings.smoke_paths):
        fault = fault_of_path(page) or ("names a host" if page.startswith("//") else "")
        if fault:
            path = paths.join("smokePaths", index)
            yield Problem(path, f"{page!r} {fault}", to_set(settings, path, "/PATH"))


def in_headers(settings: Settings) -> Iterator[Problem]:
    """What no header can hold, without repeating it."""
    for key in IN_HEADERS:
        value = settings.text(key)
        if value and not _IN_HEADER.fullmatch(value):
            text = (
                "holds a character that HTTP cannot send in a header: ASCII letters, digits and signs alone"
            )
            yield Problem(key, text, to_set(settings, key))
