"""docs/protection.md: who may deploy what, and what each GitHub plan enforces."""

from collections.abc import Sequence
from typing import Final

from plan.protection import capability
from tools.docs.page import HEAD, join, table
from tools.picture import StackRows

_PROTECTION: Final = """\
# Branches, environments and rulesets

The rows of `plan/protection.py` for both repositories. Reviewers are those of the rehearsal; the live ones
stand in the stack files. Of several reviewers of an environment GitHub asks for *one*; how many people must
approve a pull request is the ruleset's business. Tags carry no checks
([tag-needs-checks](hazards.md#github)).
"""
_CAPABILITIES: Final = """\
## What each GitHub plan enforces

A stack file that asks for more than the plan offers (`githubPlan`, `appRepositoryVisibility`,
`infraRepositoryVisibility`) is refused before anything is touched. `unprotectedRepositories` gives the
missing protection up knowingly.
"""


def text(stacks: Sequence[StackRows]) -> str:
    """Who may deploy what in each repository, and what each GitHub plan enforces."""
    repositories = list(dict.fromkeys(e.rule.repository for rows in stacks for e in rows.gate.environments))
    lines = [HEAD, _PROTECTION]
    for repository in repositories:
        lines += [f"## {repository}", "", *_environment_table(stacks, repository), ""]
        lines += [*_ruleset_table(stacks, repository), ""]
    return "\n".join([*lines, *_capability_table()])


def _environment_table(stacks: Sequence[StackRows], repository: str) -> list[str]:
    rows = [
        (
            f"`{e.rule.name}`",
            stack.settings.stack,
            join(
                [f"branch `{b}`" for b in e.rule.branches] + [f"tags `{t}`" for t in e.rule.tags], "any ref"
            ),
            join([f"{'user' if r.user else 'team'} {r.name}" for r in e.rule.reviewers], "–"),
            f"{e.rule.wait_minutes} min" if e.rule.wait_minutes else "–",
            "refused" if e.rule.prevent_self_review else "allowed",
            "allowed" if e.rule.admins_bypass else "refused",
            join([f"`{s.key}`" for s in e.secrets], "–"),
            join([f"`{v.key}`" for v in e.variables], "–"),
        )
        for stack in stacks
        for e in sorted(stack.gate.environments, key=lambda e: e.rule.name)
        if e.rule.repository == repository
    ]
    head = ("Environment", "Stack", "May deploy", "Reviewers", "Wait", "Self-review", "Admin bypass",
            "Secrets", "Variables")  # fmt: skip
    return table(head, rows)


def _ruleset_table(stacks: Sequence[StackRows], repository: str) -> list[str]:
    rows = [
        (
            r.title,
            stack.settings.stack,
            f"`{r.rule.ref}`",
            str(r.rule.approvals) if r.rule.target == "branch" else "–",
            join([f"`{check.name}`" for check in r.rule.checks], "–"),
            "deletion, force push" + ("" if r.rule.target == "branch" else ", any update"),
            f"app {r.rule.bypass_app}" if r.rule.bypass_app else "nobody",
        )
        for stack in stacks
        for r in stack.gate.rulesets
        if r.rule.repository == repository
    ]
    return table(("Ruleset", "Stack", "Ref", "Approvals", "Required checks", "Refused", "May bypass"), rows)


def _capability_table() -> list[str]:
    """What GitHub enforces, by the owner's plan and the repository's visibility."""
    marks = {True: "yes", False: "no"}
    rows = []
    for visibility in ("public", "private"):
        for plan in ("free", "pro", "team", "enterprise"):
            able = capability(plan, visibility)
            rows.append(
                (visibility, plan, marks[able.environments], marks[able.reviewers], marks[able.rulesets])
            )
    head = ("Repository", "Plan", "Environments", "Reviewers, wait, no bypass", "Rulesets")
    return [_CAPABILITIES, *table(head, rows), ""]
