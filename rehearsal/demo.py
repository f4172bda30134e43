"""The demo account: the values that stand in the rehearsal where the committed files hold placeholders.

Owns names and ids only. The seeds of the stand-ins, the rehearsal's stack files and the tests read
them here, so that all three speak of the same account. Nothing in it is secret; secrets are generated
by `rehearsal.home`.
"""

from typing import Final

GITHUB_OWNER: Final = "paintshare-demo"
APP_REPOSITORY: Final = "share-paint"
INFRA_REPOSITORY: Final = "share-paint-infra"
REVIEWER_USER: Final = {"user": "mina-release", "id": 1001}
REVIEWER_TEAM: Final = {"team": "infra-owners", "id": 2001}

VERCEL_TEAM_ID: Final = "team_rehearsalPaintShare01"
VERCEL_TEAM_SLUG: Final = "paintshare-demo"
VERCEL_PROJECT_ID: Final = "prj_rehearsalSharePaint01"
VERCEL_PROJECT_NAME: Final = "share-paint"
VERCEL_TOKEN: Final = "rehearsalVercelToken0000"  # noqa: S105  24 letters and digits, as the real provider demands; opens nothing
GITHUB_TOKEN: Final = "rehearsal-github-token"  # noqa: S105  opens nothing
GITHUB_READ_TOKEN: Final = "rehearsal-github-read-token"  # noqa: S105  the same, and may not write

SOCKET_IMAGE: Final = "127.0.0.1:5000/paintshare/socket"

STAGING_DOMAIN: Final = "staging.share-paint.app"
PRODUCTION_DOMAIN: Final = "share-paint.app"

SLACK_CHANNEL: Final = "C0PAINTSHARE"

# Host of the alert channels, and the port that they share.
CHANNELS: Final = ("hooks.example", 9999)

SUPABASE_REF: Final = {"staging": "stgrefrehearsal00001", "production": "prdrefrehearsal00001"}

# Commits of the app's repository that the demo account can build.
RELEASES: Final = (
    "1111111111111111111111111111111111111111",
    "2222222222222222222222222222222222222222",
    "3333333333333333333333333333333333333333",
    "4444444444444444444444444444444444444444",
)


def monitor_domain(stack: str) -> str:
    """Domain of the monitor of a stack."""
    return f"monitor-{stack}.{PRODUCTION_DOMAIN}"
