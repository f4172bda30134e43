"""The smoke test of a release (plan §2.1, §7.2): its pages answer, and a browser could open a battle.

Asks from outside, as a user would; what is asked of a part is its own `probe`. Needs no token and changes
nothing.

Vercel may answer in the app's place: its firewall with a challenge that no script can pass, its deployment
protection with a login. That says nothing about the release, so it is neither good nor bad (`ok` None). With
`VERCEL_PROTECTION_BYPASS` (the project's *Protection Bypass for Automation*) the pages answer. Sources:
vercel.com/docs/vercel-firewall, /docs/deployment-protection.
"""

from collections.abc import Iterator

from operations.parts import PARTS, Finding
from operations.services.network import Network
from plan.settings import Settings


def smoke(settings: Settings, network: Network | None = None) -> Iterator[Finding]:
    """Ask everything, one finding each. Never raises for what the other side does."""
    for part in PARTS:
        yield from part.probe(settings, network or Network())
