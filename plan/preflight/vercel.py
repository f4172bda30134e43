"""What Vercel takes: ids, settings of the project, and the size of its variables."""

import re
from collections.abc import Iterator

from plan import paths
from plan.assignments import assignments
from plan.preflight.fixes import to_remove, to_set
from plan.problems import Problem, config_set
from plan.rows import Store
from plan.settings import PLACEHOLDER, Settings
from plan.web import PROJECT_SETTINGS, VARIABLES_LIMIT


def identities(settings: Settings) -> Iterator[Problem]:
    """Ids in the one safe form (hazard `project-by-other-id`)."""
    for key, value, prefix in (
        ("vercelTeam", settings.vercel_team, "team_"),
        ("vercelProjectId", settings.vercel_project_id, "prj_"),
    ):
        if value and PLACEHOLDER not in value and not re.fullmatch(prefix + r"[A-Za-z0-9]+", value):
            text = f"{value!r} is not the canonical id, which starts with {prefix}"
            yield Problem(key, text, to_set(settings, key, prefix + "…"))
    # Named like Vercel's own, it would be that one; GitHub ignores case, so only lower case is allowed.
    production = settings.vercel_target == "production"
    reserved = {"preview", "development"} | (set() if production else {"production"})
    name = settings.environment
    if name and (name in reserved or not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", name)):
        text = f"{name!r} is reserved or not in lower case letters, digits and hyphens"
        yield Problem("environment", text, to_set(settings, "environment", "NAME"))
    owned = settings.vercel_project or any(s.stated.get("vercelProject") for s in settings.siblings)
    if production and not owned:
        yield Problem(
            "vercelProject",
            "is empty: the stack of Vercel's production must own the project's settings",
            f"python -m operations adopt --stack {settings.stack}",
        )


def project_settings(settings: Settings) -> Iterator[Problem]:
    """Only settings that the program knows, each of its type."""
    for key, value in sorted(settings.vercel_project.items()):
        wanted = PROJECT_SETTINGS.get(key)
        path = paths.join("vercelProject", key)
        if wanted is None:
            yield Problem(
                path, "is no project setting that a stack file may state", to_remove(settings, path)
            )
        elif wanted is dict and not isinstance(value, dict):  # which no `config set` writes at once
            yield Problem(path, "must be a map", to_remove(settings, path))
        elif not isinstance(value, wanted):
            if wanted is bool:
                fix = config_set(settings.stack, path, "VALUE", "bool")
            else:
                fix = to_set(settings, path)
            yield Problem(path, f"must be {'true or false' if wanted is bool else 'a text'}", fix)
        elif key == "nodeVersion" and not re.fullmatch(r"\d+\.x", str(value)):
            yield Problem(path, "must be a version such as 22.x", to_set(settings, path, "22.x"))


def variable_sizes(settings: Settings) -> Iterator[Problem]:
    """Names and values together, per deployment. What was made by hand comes on top (`operations adopt`)."""
    sizes: dict[str, dict[str, int]] = {}
    for assignment in assignments(settings, Store.VERCEL):
        key, value = assignment.row.key, assignment.value or ""
        sizes.setdefault(assignment.environment, {})[key] = len(key.encode()) + len(value.encode())
    for environment, of in sizes.items():
        if (total := sum(of.values())) > VARIABLES_LIMIT:
            largest = max(of, key=lambda key: of[key])
            yield Problem(
                largest,
                f"is the largest variable of {environment}, which come to {total:,} bytes together; "
                f"Vercel takes {VARIABLES_LIMIT:,} bytes of names and values",
                to_set(settings, largest),
            )
