"""A hook of GitHub's environments: after an `up` has written one, what GitHub made of it is looked at.

GitHub leaves out what it does not give, with a success (`operations.services.approval`), and the plugin takes
that for done. A preview calls no hook and does not load what asks.
"""

import sys
from pathlib import Path
from typing import Final

import pulumi

from operations.hooks.thread import beside
from plan.settings import Settings

ROOT: Final = Path(__file__).resolve().parents[2]


def of_environments(settings: Settings, token: str | None) -> pulumi.ResourceHookBinding:
    """For every environment of the gate. `token`: GitHub's; without one the run says that nobody looked."""

    async def kept(args: pulumi.ResourceHookArgs) -> None:
        outputs = args.new_outputs or {}
        repository, name = outputs["repository"], outputs["environment"]
        if not token:
            pulumi.log.warn(f"GITHUB_TOKEN is not set: whether GitHub kept {repository}:{name} is not known")
            return
        await beside(_look, settings, token, repository, name)

    hook = pulumi.ResourceHook("GitHub keeps the protection asked for", kept)
    return pulumi.ResourceHookBinding(after_create=[hook], after_update=[hook])


def _look(settings: Settings, token: str, repository: str, name: str) -> None:
    sys.path.append(str(ROOT))  # the program's folder is on the search path only until the program has ended
    from operations.services import approval  # noqa: PLC0415  slow: no preview needs it
    from operations.services.accounts import GitHubAccount  # noqa: PLC0415  the same
    from operations.services.practice import github_of  # noqa: PLC0415  the same

    rule = approval.row(settings, repository, name)
    with github_of() as url:
        live = GitHubAccount(token, settings.github_owner, url).environment(repository, name)
    if rule and live:
        approval.refuse_weaker(settings, rule, live)
