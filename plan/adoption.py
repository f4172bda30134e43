"""Which declared objects may exist already in the live accounts, under which name a person knows them.

`operations adopt` looks each of them up; `plan.preflight` lists them while nobody has. Secrets of GitHub
are left out: writing one over another is no conflict there.
"""

from dataclasses import dataclass

from plan.gate import gate_plan
from plan.settings import Settings
from plan.web import names, web_plan


@dataclass(frozen=True, kw_only=True)
class Adoptable:
    """One declared object: logical name (key of the `adopt:` map), kind and natural name."""

    name: str
    kind: str
    label: str


def adoptables(settings: Settings) -> tuple[Adoptable, ...]:
    """Everything of this stack that an account may hold already, in the order of declaration."""
    web, gate = web_plan(settings), gate_plan(settings)
    found = []
    if web.project:
        found.append(Adoptable(name="web-project", kind="Vercel project", label=web.project.name))
    found += [
        Adoptable(name=v.name, kind="Vercel variable", label=f"{v.key} ({v.environment})")
        for v in web.variables
    ]
    if web.custom_environment:
        custom = web.custom_environment
        found.append(Adoptable(name=custom.name, kind="Vercel environment", label=custom.environment))
    found.append(Adoptable(name=names("edge-config"), kind="Vercel Edge Config", label=web.edge_config_name))
    found += [Adoptable(name=d.name, kind="Vercel domain", label=d.domain) for d in web.domains]
    for env in gate.environments:
        place = f"{env.rule.repository}:{env.rule.name}"
        found.append(Adoptable(name=env.name, kind="GitHub environment", label=place))
        found += [
            Adoptable(name=p.name, kind="GitHub deployment policy", label=f"{place}:{p.branch or p.tag}")
            for p in env.policies
        ]
        found += [
            Adoptable(name=v.name, kind="GitHub variable", label=f"{place}:{v.key}") for v in env.variables
        ]
    found += [
        Adoptable(name=r.name, kind="GitHub ruleset", label=f"{r.rule.repository}:{r.title}")
        for r in gate.rulesets
    ]
    return tuple(found)
