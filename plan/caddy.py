"""What the proxies of the socket server and of the monitor have in common: ports, TLS, a quick end."""

from dataclasses import dataclass
from typing import Final

# Inside the proxy's task: no capability is needed to bind them.
PROXY_HTTP_PORT, PROXY_HTTPS_PORT = 8080, 8443
# Caddy would announce HTTP/3 (`Alt-Svc`) on a UDP port that nobody publishes.
_PUBLISHED: Final = """\
\tservers {
\t\tprotocols h1 h2
\t}
"""


@dataclass(frozen=True, kw_only=True)
class Opening:
    """What a Caddyfile begins with: its `head`, the `site` of the main block, and `tls` as that has it."""

    head: str
    site: str
    tls: str


def opening(domain: str, tls: str, url: str) -> Opening:
    """Of the proxy of a domain, by its setting (acme, internal, off). `url`: with the published port."""
    site, inside, https = {
        "acme": (domain, "", ""),
        "internal": (domain, "\ttls internal\n", ""),
        "off": (f"http://:{PROXY_HTTP_PORT}", "", "\tauto_https off\n"),
    }[tls]
    redirect = "" if https else _https_redirect(domain, url)
    head = f"""\
{{
\tadmin off
\tgrace_period 1s
\thttp_port {PROXY_HTTP_PORT}
\thttps_port {PROXY_HTTPS_PORT}
{https}{_PUBLISHED}}}

{redirect}"""
    return Opening(head=head, site=site, tls=inside)


def _https_redirect(domain: str, url: str) -> str:
    """A site that sends whoever comes over HTTP to `url`, which names the published port.

    Caddy's own redirect knows the port inside the task and leaves it out.
    """
    return f"http://{domain} {{\n\tredir {url}{{uri}} 308\n}}\n\n"
