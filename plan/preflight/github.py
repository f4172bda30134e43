"""GitHub: reviewers, what its plans can do, and what workflows read."""

from collections.abc import Iterator

from plan import paths
from plan.delivery import Kind, environments, names
from plan.preflight.fixes import to_remove, to_set
from plan.problems import Problem
from plan.protection import APP_CHECKS, INFRA_CHECKS, repositories, rulesets
from plan.settings import PLACEHOLDER, Settings


def check_apps(settings: Settings) -> Iterator[Problem]:
    """An app is named for a required check only: a misspelt one would leave the right one as it was."""
    known = tuple(dict.fromkeys((*APP_CHECKS, *INFRA_CHECKS)))
    for check in sorted(set(settings.check_apps) - set(known)):
        path = f"checkApps.{check}"
        yield Problem(path, f"is no required check ({', '.join(known)})", to_remove(settings, path))


def reviewers(settings: Settings) -> Iterator[Problem]:
    """One or two in production, each by its id."""
    adopt = f"python -m operations adopt --stack {settings.stack}"
    if len(settings.reviewers) > 2:
        yield Problem(
            "reviewers",
            f"names {len(settings.reviewers)}; the plan asks for one or two",
            " && ".join(
                to_remove(settings, f"reviewers[{index}]")  # the last first: the others keep their places
                for index in reversed(range(2, len(settings.reviewers)))
            ),
        )
    for index, reviewer in enumerate(settings.reviewers):
        if bool(reviewer.user) == bool(reviewer.team):
            yield Problem(
                f"reviewers[{index}]",
                "needs either user or team",
                to_remove(settings, f"reviewers[{index}].team")
                if reviewer.team
                else to_set(settings, f"reviewers[{index}].user", "LOGIN"),
            )
        elif reviewer.id is None and PLACEHOLDER not in reviewer.name:
            yield Problem(f"reviewers[{index}].id", f"is missing for {reviewer.name}", adopt)
    if settings.vercel_target == "production" and not settings.reviewers:
        able = [r.name for r in repositories(settings) if r.capability.reviewers]
        waived = set(settings.unprotected_repositories)
        if able or not waived.issuperset({r.name for r in repositories(settings)}):
            yield Problem(
                "reviewers",
                "is empty; production needs one or two (plan §2.2)",
                to_set(settings, "reviewers[0].user", "LOGIN"),
            )


def capabilities(settings: Settings) -> Iterator[Problem]:
    """Refused here rather than by GitHub in the middle of an update (422, 403) or silently dropped."""
    place = len(settings.unprotected_repositories)
    for repository in repositories(settings):
        if repository.name in settings.unprotected_repositories:
            continue
        lacking = []
        if not repository.capability.environments:
            lacking.append("environments")
        if not repository.capability.reviewers and (settings.reviewers or settings.wait_minutes):
            lacking.append("required reviewers and wait timers")
        if not repository.capability.rulesets:
            lacking.append("rulesets")
        if lacking:
            yield Problem(
                "githubPlan",
                f"a private repository on GitHub's {settings.github_plan} plan has no "
                f"{' and no '.join(lacking)}, which {repository.name} asks for; change the plan or the "
                "visibility setting where they are wrong, or give the protection up knowingly",
                to_set(settings, f"unprotectedRepositories[{place}]", repository.name),
            )
            place += 1  # else the command for the second would overwrite the first


def delivery(settings: Settings) -> Iterator[Problem]:
    """What workflows read is known by name, and nothing secret stands there in the clear."""
    known = environments(settings)
    for environment, variables in sorted(settings.delivery.items()):
        if environment not in known:
            path = paths.join("delivery", environment)
            text = f"is no environment of this stack's workflows ({', '.join(known)})"
            yield Problem(path, text, to_remove(settings, path))
            continue
        role = known[environment]
        for name, value in sorted(variables.items()):
            path = paths.join("delivery", environment, name)
            if name in names(role, Kind.SECRET):
                text = "is a secret: set it by hand in the environment (docs/delivery.md), and make a new one"
                yield Problem(path, text, to_remove(settings, path))
            elif name not in names(role, Kind.VARIABLE):
                read = ", ".join(sorted(names(role, Kind.VARIABLE)))
                text = f"is no variable that workflows read there ({read})"
                yield Problem(path, text, to_remove(settings, path))
            elif not value:
                yield Problem(path, "is empty", to_set(settings, path))
    if settings.release_app_id or "APP_CLIENT_ID" not in settings.delivery.get(settings.environment, {}):
        return
    for rule in rulesets(settings):
        if rule.repository == settings.infra_repository:
            text = f"is not set: the ruleset of `{rule.pattern}` would refuse what workflows record there"
            yield Problem("releaseAppId", text, to_set(settings, "releaseAppId", "NUMBER"))
