"""Go/No-Go checks of a stack file before anything is touched (deployment plan §2.3, §3).

One error lists every problem with the command that mends it; what only deserves attention is a warning.
Checks are pure: settings and today's date in, problems out. Types are checked by `plan.config`, and a
wrong top-level type by the engine before the program starts.

A module a subject, a function a rule; RULES lists them all, in the order in which problems are told.
"""

import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Final

import pulumi

from plan.config import Loaded
from plan.preflight import (
    adoption,
    github,
    hosts,
    isolation,
    monitoring,
    names,
    notes,
    releases,
    required,
    secrets,
    shapes,
    vercel,
)
from plan.problems import Problem
from plan.settings import Settings

RULES: Final[tuple[Callable[[Settings], Iterator[Problem]], ...]] = (
    required.missing,
    required.placeholders,
    secrets.in_the_clear,
    secrets.in_public_keys,
    secrets.of_another_project,
    secrets.preview_least_privilege,
    secrets.records,
    secrets.overlaps,
    secrets.shared,
    vercel.variable_sizes,
    isolation.between_stacks,
    shapes.domains_hosts_ports,
    names.names,
    names.pages,
    names.in_headers,
    vercel.project_settings,
    github.delivery,
    vercel.identities,
    releases.web,
    releases.socket,
    monitoring.addresses,
    monitoring.channels,
    monitoring.monitor,
    hosts.images,
    hosts.host_access,
    hosts.registry_login,
    github.check_apps,
    github.reviewers,
    github.capabilities,
    adoption.compared,
)

WIDTH: Final = 96  # columns of the error block; the engine indents it by four


@dataclass(frozen=True)
class Report:
    """What the checks found."""

    stack: str
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]

    def error_text(self) -> str:
        """All problems as one block, wrapped; a command stays on one line, to be copied whole."""
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        lines = [f"stack `{self.stack}` has {count}; nothing was touched.", ""]
        for number, problem in enumerate(self.problems, 1):
            text, *details = problem.text.split("\n")
            lines += _wrapped(f"{number:3}. {problem.key}: {text}", first=0, rest=5)
            for detail in details:
                lines += _wrapped(detail, first=5, rest=7)
            lines.append(f"     -> {problem.fix}")
        return "\n".join(lines)


def _wrapped(text: str, *, first: int, rest: int) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=" " * first,
        subsequent_indent=" " * rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


def check(loaded: Loaded, today: date, environment: Mapping[str, str] = MappingProxyType({})) -> Report:
    """Run every check. Never raises for bad input. `environment`: of the process that runs the engine."""
    settings = loaded.settings
    problems = list(loaded.problems)
    for rule in RULES:
        if rule is secrets.records and "rotation" in loaded.broken:
            continue  # one unreadable record, and every secret would look as if it had none
        known = loaded.broken | (
            loaded.wrapped.keys() if rule in (required.missing, secrets.records) else frozenset()
        )
        problems += [p for p in rule(settings) if p.key not in known]
    problems += [required.alone(settings, path, fault) for path, fault in loaded.wrapped.items()]
    problems += secrets.future(settings, today)
    problems += hosts.overriding(environment)
    warnings = [*notes.ages(settings, today), *notes.notes(settings)]
    return Report(stack=settings.stack, problems=tuple(dict.fromkeys(problems)), warnings=tuple(warnings))


def enforce(loaded: Loaded, today: date, environment: Mapping[str, str]) -> Settings:
    """The settings, after warnings were logged. Raises pulumi.RunError, printed without a traceback."""
    report = check(loaded, today, environment)
    for warning in report.warnings:
        pulumi.log.warn(warning)
    if report.problems:
        raise pulumi.RunError(report.error_text())
    return loaded.settings


def blocking_for_adoption(loaded: Loaded) -> list[Problem]:
    """The problems that keep `operations adopt` from reading the accounts: ids and names it looks up."""
    read = {"environment", "branch", "githubOwner", "appRepository", "infraRepository", "vercelTeam",
            "vercelProjectId", "vercelProjectName", "vercelTarget", "webDomain"}  # fmt: skip
    found = [*loaded.problems, *required.missing(loaded.settings), *required.placeholders(loaded.settings)]
    return [p for p in found if p.key in read or p.key.startswith("reviewers")]
