"""Hooks of the services on the Docker hosts: what a plain `pulumi up` knows of a rollout, with any plugin.

The engine calls them while the program runs: before a service is touched, after it was made or updated, when
that failed. A preview calls none, needs no Docker, and does not even load what asks it.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final, TypeVar

import pulumi

from operations.hooks.thread import beside
from plan.settings import Settings
from plan.socket import proxy_name, service_name

if TYPE_CHECKING:
    from operations.parts.rollout import Rollout

T = TypeVar("T")

_touched: Final[set[str]] = set()  # services that this run changes: their hooks tell what came of it


def of_server(settings: Settings) -> pulumi.ResourceHookBinding | None:
    """For the server's service; None while no release is named. Messages show the names of the hooks."""

    async def exists(_: pulumi.ResourceHookArgs) -> None:
        _touched.add(service_name(settings.stack))
        await _ask(settings, lambda rollout: rollout.refuse_unknown())

    async def watched(_: pulumi.ResourceHookArgs) -> None:
        if advice := await _ask(settings, lambda rollout: rollout.await_server()):
            pulumi.log.warn(advice)

    async def made(_: pulumi.ResourceHookArgs) -> None:
        if advice := await _ask(settings, lambda rollout: rollout.await_new_server()):
            pulumi.log.warn(advice)

    async def failed(_: pulumi.ErrorHookArgs) -> bool:
        pulumi.log.error(await _ask(settings, lambda rollout: rollout.explain_server()))
        return False  # a second attempt would meet the same image

    if not settings.socket_release:
        return None
    existing = pulumi.ResourceHook("the release exists", exists)
    return pulumi.ResourceHookBinding(
        before_create=[existing],
        # Also of what a replacement makes: the engine calls no hook of an update for it.
        after_create=[pulumi.ResourceHook("the first tasks stay healthy", made)],
        before_update=[existing],
        after_update=[pulumi.ResourceHook("the release stays healthy", watched)],
        on_error=[pulumi.ErrorHook("which release serves", failed)],
    )


def refuse_taken_back(settings: Settings, services: Iterable[pulumi.Output[str] | None]) -> None:
    """Fail an `up` that leaves a service as it is while Swarm has taken its release or configuration back.

    The engine takes an update whose after-hook failed for done, so the next `up` would be green while what
    was before serves. `services`: their names, each known once nothing is left to do to it. Raises RunError,
    later.
    """

    async def ask(_: object) -> None:
        from operations.stack.workspace import OperationError  # noqa: PLC0415  slow: no preview needs it

        try:
            advice = await _ask(settings, lambda rollout: rollout.refuse_taken_back(_touched))
        except OperationError as error:
            raise pulumi.RunError(str(error)) from None
        if advice:
            pulumi.log.warn(advice)

    once_done: Callable[[object], pulumi.Input[None]] = ask
    known = [service for service in services if service is not None]
    if known and not pulumi.runtime.is_dry_run():
        pulumi.Output.all(*known).apply(once_done)


def of_proxy(settings: Settings) -> pulumi.ResourceHookBinding | None:
    """For the proxy's service; None while no release is named."""

    async def pulled(_: pulumi.ResourceHookArgs) -> None:
        _touched.add(proxy_name(settings.stack))
        await _ask(settings, lambda rollout: rollout.pull_proxy())

    async def watched(_: pulumi.ResourceHookArgs) -> None:
        await _ask(settings, lambda rollout: rollout.await_proxy())

    async def made(_: pulumi.ResourceHookArgs) -> None:
        await _ask(settings, lambda rollout: rollout.await_new_proxy())

    async def failed(_: pulumi.ErrorHookArgs) -> bool:
        pulumi.log.error(await _ask(settings, lambda rollout: rollout.explain_proxy()))
        return False

    if not settings.socket_release:
        return None
    return pulumi.ResourceHookBinding(
        after_create=[pulumi.ResourceHook("the new proxy stays up", made)],
        before_update=[pulumi.ResourceHook("the proxy can be pulled", pulled)],
        after_update=[pulumi.ResourceHook("the proxy stays up", watched)],
        on_error=[pulumi.ErrorHook("which proxy serves", failed)],
    )


def of_monitor(settings: Settings) -> pulumi.ResourceHookBinding | None:
    """For each service of the monitor and its agent; None while no host is named."""

    async def watched(args: pulumi.ResourceHookArgs) -> None:
        _touched.add(await _ask(settings, lambda rollout: rollout.await_monitor(args.name)))

    async def made(args: pulumi.ResourceHookArgs) -> None:
        _touched.add(await _ask(settings, lambda rollout: rollout.await_new_monitor(args.name)))

    async def failed(args: pulumi.ErrorHookArgs) -> bool:
        pulumi.log.error(await _ask(settings, lambda rollout: rollout.explain_monitor(args.name)))
        return False

    if not settings.monitor_host:
        return None
    return pulumi.ResourceHookBinding(
        after_create=[pulumi.ResourceHook("the monitor's new service stays up", made)],
        after_update=[pulumi.ResourceHook("the monitor's service takes its configuration", watched)],
        on_error=[pulumi.ErrorHook("which configuration the monitor has", failed)],
    )


async def _ask(settings: Settings, what: "Callable[[Rollout], T]") -> T:
    from operations.parts.rollout import Rollout  # noqa: PLC0415  slow: no preview needs it

    return await beside(what, Rollout(settings))
