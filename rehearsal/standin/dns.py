"""The demo account's DNS: the domains below its own have an address, unless a document says otherwise.

A document `dns`/DOMAIN of the Vercel account holds `addresses`; an empty list is a domain without a record.
"""

from pathlib import Path
from typing import Final

from rehearsal import demo
from rehearsal.standin.account import Account

ADDRESS: Final = "198.18.0.1"  # for tests of networks (RFC 2544): nobody's


def addresses(path: Path, domain: str) -> list[str]:
    """The addresses of a domain, by the account's file."""
    account = Account(path, "vercel")
    try:
        return of(account, domain)
    finally:
        account.close()


def of(account: Account, domain: str) -> list[str]:
    """The same, of an account that is open."""
    found = account.get("dns", domain)
    if found is not None:
        return list(found["addresses"])
    mine = domain == demo.PRODUCTION_DOMAIN or domain.endswith(f".{demo.PRODUCTION_DOMAIN}")
    return [ADDRESS] if mine else []
