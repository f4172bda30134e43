"""Shapes: domains, Docker hosts and their ports."""

import re
from collections.abc import Iterator
from typing import Final

from plan.preflight.fixes import to_set
from plan.problems import Problem
from plan.settings import PLACEHOLDER, Settings

_DOMAIN: Final = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}")
# No part begins with a dash: ssh would take it for an option. Nor is there a password, which Docker refuses.
_NAME: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?"
_PORT: Final = r":0*(?:[1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5])"
_ADDRESS: Final = rf"(?:{_NAME}|\[[0-9A-Fa-f:.]+\])"
_DOCKER_HOST: Final = re.compile(
    rf"unix:///[^\s]+|tcp://{_ADDRESS}{_PORT}/?|ssh://(?:{_NAME}@)?{_ADDRESS}(?:{_PORT})?(?:/[^\s]*)?"
)


def domains_hosts_ports(settings: Settings) -> Iterator[Problem]:
    """Each in the form that its service takes."""
    for key, value in domains(settings):
        if value and PLACEHOLDER not in value and not _DOMAIN.fullmatch(value):
            text = f"{value!r} is no domain (lower case, no scheme, no port, no path)"
            yield Problem(key, text, to_set(settings, key, "DOMAIN"))
    for index, domain in enumerate(settings.redirect_domains):
        if domain in (settings.web_domain, *settings.redirect_domains[:index]):
            text = f"names {domain} twice, or webDomain once more"
            yield Problem("redirectDomains", text, to_set(settings, f"redirectDomains[{index}]", "DOMAIN"))
    for key, host in (("socketHost", settings.socket_host), ("monitorHost", settings.monitor_host)):
        if host and PLACEHOLDER not in host and not _DOCKER_HOST.fullmatch(host):
            yield Problem(
                key,
                f"{host!r} is no Docker host (unix://, tcp://, ssh://)",
                to_set(settings, key, "ssh://USER@HOST"),
            )
    if settings.socket_http_port == settings.socket_https_port:
        yield Problem("socketHttpsPort", "equals socketHttpPort", to_set(settings, "socketHttpsPort", "PORT"))


def domains(settings: Settings) -> Iterator[tuple[str, str]]:
    """Key and value of every domain of this stack."""
    yield "webDomain", settings.web_domain
    yield "socketDomain", settings.socket_domain
    yield "monitorDomain", settings.monitor_domain
    for index, domain in enumerate(settings.redirect_domains):
        yield f"redirectDomains[{index}]", domain
