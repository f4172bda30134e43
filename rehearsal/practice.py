"""What the rehearsal is to the operations: it keeps `operations.services.practice.Practice`.

Found by its entry point.

Each method imports what it needs when it is called: a verb asks for one or two of them.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from operations.services.network import Network, Place
from plan.settings import Settings


class Rehearsal:
    """The rehearsal of this clone; a home of its own for a review."""

    def environment(self) -> Mapping[str, str]:
        from rehearsal import home  # noqa: PLC0415  slow to import

        return home.ensure().env()

    @contextmanager
    def accounts(self, account: Path) -> Iterator[tuple[str, str]]:
        from rehearsal.standin.api import AccountApi  # noqa: PLC0415  slow to import

        with AccountApi(account) as api:
            yield api.vercel_url, api.github_url

    def addresses(self, account: Path, domain: str) -> Sequence[str]:
        from rehearsal.standin import dns  # noqa: PLC0415  slow to import

        return dns.addresses(account, domain)

    @contextmanager
    def network(self, account: Path, folder: Path, settings: Settings) -> Iterator[Network]:
        from rehearsal import docker_hosts, home  # noqa: PLC0415  slow to import
        from rehearsal.site import Site  # noqa: PLC0415  the same

        with Site(account) as site:
            places = {settings.web_domain: Place(address="127.0.0.1", port=site.port, tls=False)}
            if settings.socket_release:
                there = docker_hosts.endpoint(home.ensure(folder), settings.stack)
                places[there.domain] = Place(
                    address=there.address, port=there.port, authority=there.authority
                )
            yield Network(places)

    def applied(self, base: Path, folder: Path, stack: str) -> tuple[Path, Mapping[str, str], str]:
        from rehearsal import review  # noqa: PLC0415  slow to import

        here, before = review.prepare(base, folder, (stack,))
        return here.folder, here.env(), before[stack]
