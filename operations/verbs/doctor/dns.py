"""Whether the domains lead where they must."""

from collections.abc import Callable, Iterator, Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from operations.verbs.doctor.checks import Check
from operations.verbs.doctor.hosts import hosts_of
from plan.hosts import DockerHost
from plan.settings import Settings

Resolve = Callable[[str], Sequence[str]]
"""Domain -> its addresses, none where DNS does not know it."""


def dns(settings: Settings, resolve: Resolve) -> Iterator[Check]:
    """Every domain of the stack has an address; that of a Docker host leads there."""
    named = [("webDomain", settings.web_domain), ("socketDomain", settings.socket_domain)]
    named += [(f"redirectDomains[{i}]", domain) for i, domain in enumerate(settings.redirect_domains)]
    if settings.monitor_host:
        named.append(("monitorDomain", settings.monitor_domain))
    where = {"socketDomain": "the socket host", "monitorDomain": "the monitoring host"}
    for key, domain in named:
        yield Check(
            what=f"{key} {domain} has an address",
            fault="" if resolve(domain) else "DNS knows none",
            fix=f"at the domain's DNS: a record for {domain} that leads to {where.get(key, 'Vercel')}",
        )
    for key, access in hosts_of(settings).items():
        name = key.replace("Host", "Domain")
        yield from _leads(name, dict(named)[name], key, access, resolve)


def _leads(name: str, domain: str, key: str, access: DockerHost, resolve: Resolve) -> Iterator[Check]:
    """Whether a domain has an address of the host that the stack file names. Nothing is said of a domain
    without one, which is a finding already.
    """
    there, host = set(resolve(domain)), urlsplit(access.address).hostname
    if not there:
        return
    what = f"{name} {domain} leads to {key}"
    if host is None:
        yield Check(what=what, skipped=f"{access.address} is this machine's own")
        return
    addresses = set(_literal(host) or resolve(host))
    inside = all(ip_address(each).is_private for each in addresses)
    if not addresses:
        yield Check(what=what, skipped=f"DNS does not know {host}, which may be a name of ~/.ssh/config")
    elif inside and not any(ip_address(each).is_private for each in there):
        yield Check(what=what, skipped=f"{host} is reached by an address of its own network")
    else:
        fault = f"it leads to {', '.join(sorted(there))}, {host} is {', '.join(sorted(addresses))}"
        yield Check(
            what=what,
            fault="" if there & addresses else fault,
            fix=f"at the domain's DNS: a record for {domain} with {sorted(addresses)[0]}, or mend {key}",
        )


def _literal(host: str) -> list[str]:
    try:
        return [str(ip_address(host))]
    except ValueError:
        return []
