"""Names that the monitor's parts share."""

from typing import Final

from plan.settings import Settings

USER: Final = "paintshare"  # of the monitor's basic auth


def monitor_prefix(settings: Settings) -> str:
    """First part of every physical name on the monitoring host."""
    return f"paintshare-{settings.stack}-monitor"


SECRETS: Final = "/run/secrets"
