"""Docker hosts: their images, who may reach them, and the registry they pull from."""

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Final

from plan.hosts import OVERRIDING, registry
from plan.images import fault_of_name, fault_of_reference
from plan.preflight.fixes import to_remove, to_set, to_set_from_file
from plan.problems import Problem
from plan.settings import PLACEHOLDER, Settings


def images(settings: Settings) -> Iterator[Problem]:
    """Every image by a name that its engine takes: it is first asked for in the middle of an update."""
    for key, image, fault_of in (
        ("socketImage", settings.socket_image, fault_of_name),
        ("proxyImage", settings.proxy_image, fault_of_reference),
        ("prometheusImage", settings.prometheus_image, fault_of_reference),
        ("alertmanagerImage", settings.alertmanager_image, fault_of_reference),
        ("blackboxImage", settings.blackbox_image, fault_of_reference),
    ):
        if PLACEHOLDER not in image and (fault := fault_of(image)):
            text = f"{image!r} has {fault.text}"
            yield Problem(key, text, to_set(settings, key, shlex.quote(fault.form)))


_LOOPBACK: Final = re.compile(r"tcp://(127(\.\d+){3}|localhost|\[::1\])(:\d+)?/?")


def host_access(settings: Settings) -> Iterator[Problem]:
    """TLS material where a host is tcp://, and only there: elsewhere the plugin would do TLS as well."""
    for prefix, host, ca, certificate in (
        ("socketHost", settings.socket_host, settings.socket_host_ca, settings.socket_host_certificate),
        ("monitorHost", settings.monitor_host, settings.monitor_host_ca, settings.monitor_host_certificate),
    ):
        key = f"{prefix.removesuffix('Host').upper()}_HOST_KEY"
        parts = {f"{prefix}Ca": ca, f"{prefix}Certificate": certificate, key: settings.text(key)}
        missing = [name for name, value in parts.items() if not value]
        if PLACEHOLDER in host:
            continue
        if not host.startswith("tcp://"):
            for name in sorted(parts.keys() - set(missing)):
                yield Problem(name, f"is set, but {prefix} is no tcp:// host", to_remove(settings, name))
            continue
        if len(missing) < len(parts) or not _LOOPBACK.fullmatch(host):
            for name in missing:
                text = f"is missing: a Docker port without TLS is root for everybody who reaches {host}"
                yield Problem(name, text, to_set_from_file(settings, name))
        for name, value in parts.items():
            yield from pem(settings, name, value, private=name == key)


def pem(settings: Settings, name: str, value: str, *, private: bool) -> Iterator[Problem]:
    """A text in PEM form, of a certificate or of a `private` key that needs no passphrase."""
    kind = "PRIVATE KEY" if private else "CERTIFICATE"
    fix = to_set_from_file(settings, name)
    if "PRIVATE KEY-----" in value and not private:
        yield Problem(name, "holds a private key, and stands in the clear; make a new key", fix)
    elif value and not re.search(rf"-----BEGIN [A-Z ]*{kind}-----\n.+\n-----END", value, re.DOTALL):
        yield Problem(name, f"is no PEM text with a {kind.lower()}", fix)
    elif "ENCRYPTED" in value:
        yield Problem(name, "is a key with a passphrase, which nobody could type here", fix)


def registry_login(settings: Settings) -> Iterator[Problem]:
    """User and password belong together, and to the registry that the image is pulled from."""
    password = "REGISTRY_PASSWORD"  # noqa: S105  a key's name
    given = bool(settings.registry_user), password in settings.values
    if given == (True, False):
        yield Problem(password, "is missing for the registryUser", to_set(settings, password))
    if given == (False, True):
        yield Problem("registryUser", f"is missing for {password}", to_set(settings, "registryUser", "USER"))
    image = settings.socket_image
    if all(given) and PLACEHOLDER not in image and not fault_of_name(image) and not registry(image):
        text = f"{image!r} names no registry, so registryUser belongs to none"
        hub = f"docker.io/{image}" if "/" in image else f"docker.io/library/{image}"
        yield Problem("socketImage", text, to_set(settings, "socketImage", hub))


def overriding(environment: Mapping[str, str]) -> Iterator[Problem]:
    """Variables of the environment that the Docker plugin would take in place of the stack file."""
    for name in OVERRIDING:
        if environment.get(name):
            text = "is set in the environment; the Docker plugin would take it in place of the stack file"
            yield Problem(name, text, f"unset {name}")
