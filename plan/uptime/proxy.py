"""The proxy before the monitor: TLS and one password."""

import base64

from plan.caddy import opening
from plan.settings import Settings
from plan.uptime.names import USER
from plan.urls import monitor_url


def caddyfile(settings: Settings, prefix: str) -> str:
    """TLS and one password before both UIs and the remote-write endpoint.

    The whole `Authorization` header is compared: Caddy's own basic auth wants a salted hash, which would be
    another text at each run.
    """
    begins = opening(settings.monitor_domain, settings.monitor_tls, monitor_url(settings))
    login = f"{USER}:{settings.text('MONITOR_PASSWORD')}"
    credentials = base64.b64encode(login.encode()).decode()
    return f"""\
{begins.head}{begins.site} {{
{begins.tls}\t@known header Authorization "Basic {credentials}"
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
