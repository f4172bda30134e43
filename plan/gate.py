"""What one stack declares on GitHub: protection rows joined with the secrets and variables below them.

Pure functions from settings to rows; `components.deployment_gate` maps each row to one resource.
"""

from dataclasses import dataclass
from typing import Final

from plan.assignments import assignments
from plan.delivery import variables
from plan.protection import EnvironmentRule, Ruleset, environment_rules, rulesets
from plan.rows import Class, Store
from plan.settings import Settings

GATE: Final = "gate"  # logical name of the component


@dataclass(frozen=True, kw_only=True)
class Policy:
    """One branch or tag pattern that may deploy to an environment."""

    name: str
    branch: str | None
    tag: str | None
    adopt: str | None


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One secret or variable of an environment."""

    name: str
    key: str
    value: str
    adopt: str | None


@dataclass(frozen=True, kw_only=True)
class Environment:
    """One GitHub environment with everything below it."""

    name: str
    rule: EnvironmentRule
    policies: tuple[Policy, ...]
    secrets: tuple[Entry, ...]
    variables: tuple[Entry, ...]
    adopt: str | None


@dataclass(frozen=True, kw_only=True)
class NamedRuleset:
    """One ruleset; `title` is its name on GitHub."""

    name: str
    title: str
    rule: Ruleset
    adopt: str | None


@dataclass(frozen=True, kw_only=True)
class GatePlan:
    """Everything one stack declares on GitHub."""

    environments: tuple[Environment, ...]
    rulesets: tuple[NamedRuleset, ...]


def names(repository: str, kind: str, *parts: str) -> str:
    """Logical name of a child: `gate-REPOSITORY-KIND-PARTS`."""
    return "-".join((GATE, repository, kind, *parts))


def gate_plan(settings: Settings) -> GatePlan:
    """Derive the plan. Call after preflight."""
    return GatePlan(
        environments=tuple(_environment(settings, rule) for rule in environment_rules(settings)),
        rulesets=tuple(_ruleset(settings, rule) for rule in rulesets(settings)),
    )


def _environment(settings: Settings, rule: EnvironmentRule) -> Environment:
    found = [a for a in assignments(settings, Store.GITHUB) if a.environment == rule.name]
    delivery = variables(settings, rule.name) if rule.repository == settings.infra_repository else {}

    def named(kind: str, *parts: str) -> str:
        return names(rule.repository, kind, rule.name, *parts)

    def entry(kind: str, key: str, value: str) -> Entry:
        return Entry(name=named(kind, key), key=key, value=value, adopt=settings.adopt.get(named(kind, key)))

    def entries(kind: str, *, secret: bool) -> tuple[Entry, ...]:
        return tuple(
            entry(kind, a.row.key, a.value)
            for a in found
            if (a.row.kind is Class.SECRET) is secret and a.value is not None
        )

    patterns = [(b, "branch") for b in rule.branches] + [(t, "tag") for t in rule.tags]
    return Environment(
        name=named("environment"),
        rule=rule,
        policies=tuple(
            Policy(
                name=named(kind, pattern),
                branch=pattern if kind == "branch" else None,
                tag=pattern if kind == "tag" else None,
                adopt=settings.adopt.get(named(kind, pattern)),
            )
            for pattern, kind in patterns
        ),
        secrets=entries("secret", secret=True),
        variables=(
            *entries("variable", secret=False),
            *(entry("variable", key, value) for key, value in delivery.items()),
        ),
        adopt=settings.adopt.get(named("environment")),
    )


def _ruleset(settings: Settings, rule: Ruleset) -> NamedRuleset:
    name = names(rule.repository, "ruleset", rule.pattern)
    return NamedRuleset(
        name=name, title=f"paintshare {rule.pattern}", rule=rule, adopt=settings.adopt.get(name)
    )
