"""The Docker stand-in: the same resources applied to a real engine, where the official plugin cannot be had.

It keeps no objects of its own: everything is in the engine that the provider names, through the Docker SDK.
What the engine enforces and the plugin does beyond types and names stands in `rules`, a file a kind does it.
"""

from typing import Final

from rehearsal.standin.docker import session
from rehearsal.standin.docker.objects import Network, RemoteImage, Secret, ServiceConfig, Tag, Volume
from rehearsal.standin.docker.rules import RULES
from rehearsal.standin.docker.service import Service
from rehearsal.standin.kinds import Kind

__all__ = ["KINDS", "RAW_STATE", "RULES", "cancel", "configure"]

RAW_STATE: Final = True  # beside the outputs of each object (`raw_state`)
configure = session.configure
cancel = session.cancelled.set

KINDS: Final[tuple[Kind, ...]] = (
    Network(),
    Volume(),
    ServiceConfig(),
    Secret(),
    RemoteImage(),
    Tag(),
    Service(),
)
