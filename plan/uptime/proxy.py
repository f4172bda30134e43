"""The proxy before the monitor: TLS and one password."""

import base64

from plan.settings import Settings
from plan.socket import PUBLISHED_PROTOCOLS, https_redirect
from plan.uptime.names import USER
from plan.urls import monitor_url

PROXY_HTTP_PORT, PROXY_HTTPS_PORT = 8080, 8443  # inside the proxy's task: no capability is needed


def caddyfile(settings: Settings, prefix: str) -> str:
    """TLS and one password before both UIs and the remote-write endpoint.

    The whole `Authorization` header is compared: Caddy's own basic auth wants a salted hash, which would be
    another text at each run.
    """
    site, tls, https = {
        "acme": (settings.monitor_domain, "", ""),
        "internal": (settings.monitor_domain, "\ttls internal\n", ""),
        "off": (f"http://:{PROXY_HTTP_PORT}", "", "\tauto_https off\n"),
    }[settings.monitor_tls]
    redirect = https_redirect(settings.monitor_domain, monitor_url(settings)) if not https else ""
    login = f"{USER}:{settings.text('MONITOR_PASSWORD')}"
    credentials = base64.b64encode(login.encode()).decode()
    return f"""\
{{
\tadmin off
\tgrace_period 1s
\thttp_port {PROXY_HTTP_PORT}
\thttps_port {PROXY_HTTPS_PORT}
{https}{PUBLISHED_PROTOCOLS}}}

{redirect}{site} {{
{tls}\t@known header Authorization "Basic {credentials}"
\thandle @known {{
\t\thandle /prometheus/* {{
\t\t\treverse_proxy tasks.{prefix}-prometheus:9090
\t\t}}
\t\thandle /alertmanager/* {{
\t\t\treverse_proxy tasks.{prefix}-alertmanager:9093
\t\t}}
\t\thandle {{
\t\t\tredir * /prometheus/
\t\t}}
\t}}
\thandle {{
\t\theader WWW-Authenticate `Basic realm="paintshare {settings.stack}"`
\t\trespond 401
\t}}
}}
"""
