"""Hooks of the socket server's services: what a plain `pulumi up` knows of a rollout, with any plugin.

The engine calls them while the program runs: before a service is touched, after it was updated, when that
failed. A preview calls none, needs no Docker, and does not even load what asks it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import pulumi

from plan.settings import Settings

if TYPE_CHECKING:
    from operations.rollout import Rollout

T = TypeVar("T")


@dataclass(frozen=True)
class Watch:
    """`hooks` to bind to a service, and what to call with its name once it is done with.

    `settled`, None in a preview, is for an `up` that changes nothing: the engine takes an update whose
    after-hook failed for done, so the next `up` would be green while N-1 serves. It raises RunError then.
    """

    hooks: pulumi.ResourceHookBinding | None = None
    settled: Callable[[str], Awaitable[None]] | None = None


def of_server(settings: Settings) -> Watch:
    """For the server's service; nothing while no release is named. Messages show the names of the hooks."""
    touched = asyncio.Event()

    async def exists(_: pulumi.ResourceHookArgs) -> None:
        touched.set()
        await _ask(settings, lambda rollout: rollout.refuse_unknown())

    async def settled(_: str) -> None:
        if not touched.is_set():  # else its own hooks have told
            await _ask(settings, lambda rollout: rollout.refuse_taken_back())

    async def watched(_: pulumi.ResourceHookArgs) -> None:
        if advice := await _ask(settings, lambda rollout: rollout.await_server()):
            pulumi.log.warn(advice)

    async def failed(_: pulumi.ErrorHookArgs) -> bool:
        pulumi.log.error(await _ask(settings, lambda rollout: rollout.explain_server()))
        return False  # a second attempt would meet the same image

    if not settings.socket_release:
        return Watch()
    existing = pulumi.ResourceHook("the release exists", exists)
    hooks = pulumi.ResourceHookBinding(
        before_create=[existing],
        before_update=[existing],
        after_update=[pulumi.ResourceHook("the release stays healthy", watched)],
        on_error=[pulumi.ErrorHook("which release serves", failed)],
    )
    return Watch(hooks, None if pulumi.runtime.is_dry_run() else settled)


def of_proxy(settings: Settings) -> pulumi.ResourceHookBinding | None:
    """For the proxy's service; None while no release is named."""

    async def pulled(_: pulumi.ResourceHookArgs) -> None:
        await _ask(settings, lambda rollout: rollout.pull_proxy())

    async def watched(_: pulumi.ResourceHookArgs) -> None:
        await _ask(settings, lambda rollout: rollout.await_proxy())

    async def failed(_: pulumi.ErrorHookArgs) -> bool:
        pulumi.log.error(await _ask(settings, lambda rollout: rollout.explain_proxy()))
        return False

    if not settings.socket_release:
        return None
    return pulumi.ResourceHookBinding(
        before_update=[pulumi.ResourceHook("the proxy can be pulled", pulled)],
        after_update=[pulumi.ResourceHook("the proxy stays up", watched)],
        on_error=[pulumi.ErrorHook("which proxy serves", failed)],
    )


async def _ask(settings: Settings, what: "Callable[[Rollout], T]") -> T:
    from operations.rollout import Rollout  # noqa: PLC0415  slow: no preview needs it

    return await asyncio.to_thread(what, Rollout(settings))
