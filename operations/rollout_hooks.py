"""Hooks of the socket server's service: what a plain `pulumi up` knows of a rollout, with any plugin.

The engine calls them while the program runs: before the service is touched, after it was updated, when that
failed. A preview calls none, needs no Docker, and does not even load what asks it.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import pulumi

from plan.settings import Settings
from plan.socket import socket_plan

if TYPE_CHECKING:
    from operations.rollout import Rollout

T = TypeVar("T")


def hooks(settings: Settings) -> pulumi.ResourceHookBinding | None:
    """The hooks for the stack's service; None while no release is named. Messages show their names."""
    plan = socket_plan(settings)
    if plan is None:
        return None

    async def ask(what: Callable[["Rollout"], T]) -> T:
        from operations.rollout import Rollout  # noqa: PLC0415  slow: no preview needs it

        return await asyncio.to_thread(what, Rollout(settings, plan))

    async def exists(_: pulumi.ResourceHookArgs) -> None:
        await ask(lambda rollout: rollout.refuse_unknown())

    async def watched(_: pulumi.ResourceHookArgs) -> None:
        await ask(lambda rollout: rollout.await_swarm())

    async def failed(_: pulumi.ErrorHookArgs) -> bool:
        pulumi.log.error(await ask(lambda rollout: rollout.explain()))
        return False  # a second attempt would meet the same image

    existing = pulumi.ResourceHook("the release exists", exists)
    return pulumi.ResourceHookBinding(
        before_create=[existing],
        before_update=[existing],
        after_update=[pulumi.ResourceHook("the release stays healthy", watched)],
        on_error=[pulumi.ErrorHook("what serves now", failed)],
    )
