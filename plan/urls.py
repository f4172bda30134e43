"""URLs that follow from the settings, so that no fact is typed twice."""

from plan.settings import Settings


def supabase_url(settings: Settings) -> str:
    """Supabase's API of the stack's project."""
    return f"https://{settings.supabase_ref}.supabase.co"


def app_url(settings: Settings) -> str:
    """Where people reach the web app."""
    return f"https://{settings.web_domain}"


def socket_url(settings: Settings) -> str:
    """Where the socket server answers: the proxy's HTTPS port, or its HTTP port where TLS is off."""
    scheme, port, usual = ("https", settings.socket_https_port, 443)
    if settings.socket_tls == "off":
        scheme, port, usual = ("http", settings.socket_http_port, 80)
    return f"{scheme}://{settings.socket_domain}" + ("" if port == usual else f":{port}")


def client_url(settings: Settings) -> str:
    """Origins the socket server admits, comma-separated; the grammar stands in docs/app-contract.md.

    The stack that owns Preview also admits one anchored pattern of this project's preview URLs:
    `PROJECT-git-BRANCH-TEAM.vercel.app` and `PROJECT-HASH-TEAM.vercel.app` (plan §1.2).
    """
    origins = [app_url(settings)]
    if settings.preview:
        project, team = settings.vercel_project_name.replace(".", r"\."), settings.vercel_team_slug
        origins.append(rf"^https://{project}-(git-[a-z0-9-]+|[a-z0-9]{{9}})-{team}\.vercel\.app$")
    return ",".join(origins)


def monitor_url(settings: Settings) -> str:
    """Where people and the agent reach the monitor, without a slash at the end."""
    scheme, port, usual = (
        ("http", settings.monitor_http_port, 80)
        if settings.monitor_tls == "off"
        else ("https", settings.monitor_https_port, 443)
    )
    return f"{scheme}://{settings.monitor_domain}" + ("" if port == usual else f":{port}")
