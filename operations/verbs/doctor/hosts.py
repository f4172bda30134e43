"""The Docker hosts: certificates, engine, images."""

import ssl
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from operations.services import hosts
from operations.services.hosts import Host
from operations.services.running import Image
from operations.stack.workspace import OperationError
from operations.verbs.doctor.checks import Check, expiry, last_words, minor
from plan.hosts import DockerHost, monitor_host, socket_host
from plan.settings import Settings
from plan.socket import prefix, socket_plan

_KNOWN: Final = (
    (
        (29, 0),
        "negotiated, not run here; it refuses clients below API 1.44, so old tools beside this one fail",
    ),
    ((20, 11), "negotiated, not run here"),
    ((20, 10), "what this program is tested on; Docker itself mends it no more, the distributions do"),
    ((0, 0), "older than what this program is tested on, which is 20.10"),
)


def docker(settings: Settings, now: datetime) -> Iterator[Check]:
    """Each host: certificates, reachable, manager of a swarm, memory and ports left, able to pull images."""
    for key, access in hosts_of(settings).items():
        yield from _certificates(settings, key, access, now)
        try:
            with hosts.connected(access, manager=False) as host:
                docker_version, api = host.version()
                yield Check(what=f"{key} {access.address} answers")
                yield Check(what=f"{key} runs Docker {docker_version} (API {api}): {known(docker_version)}")
                yield from _docker_host(settings, key, host)
        except OperationError as error:
            yield Check(what=f"{key} {access.address} answers", fault=last_words(error), fix=_way_to(access))


def known(version: str) -> str:
    """What is known of a version of Docker's engine."""
    return next(text for first, text in _KNOWN if minor(version) >= first)


def hosts_of(settings: Settings) -> dict[str, DockerHost]:
    """By the key of the stack file that names them."""
    monitor = monitor_host(settings)
    return {"socketHost": socket_host(settings), **({"monitorHost": monitor} if monitor else {})}


def _certificates(settings: Settings, key: str, access: DockerHost, now: datetime) -> Iterator[Check]:
    """How long TLS with a `tcp://` host will work: its engine refuses the client the day after."""
    texts = {"Certificate": access.certificate, "Ca": access.ca} if access.key else {}
    secret = {"socketHost": "SOCKET_HOST_KEY", "monitorHost": "MONITOR_HOST_KEY"}[key]
    for name, text in texts.items():
        what = f"{key}{name} is valid for a while"
        fix = f"issue a new one: pulumi config set {key}{name} --stack {settings.stack} < NEW.pem"
        if name == "Certificate":
            fix += f"; its key: python -m operations set {secret} --stack {settings.stack} < KEY.pem"
        try:
            yield Check(what=what, fault=expiry(_end(text), now), fix=fix)
        except FileNotFoundError:
            yield Check(what=what, skipped="openssl is not installed here")
        except ValueError:
            yield Check(what=what, fault="it is no certificate in PEM", fix=fix)


def _end(certificate: str) -> datetime:
    """When a certificate ends, by `openssl x509`: Python's own ssl reads none but a peer's."""
    done = subprocess.run(
        ["openssl", "x509", "-noout", "-enddate"],
        input=certificate, capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = done.stdout.strip().removeprefix("notAfter=")
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(said), UTC)


def _docker_host(settings: Settings, key: str, host: Host) -> Iterator[Check]:
    manager = host.manages_a_swarm()
    what = f"{key} manages a swarm"
    yield Check(what=what, fault="" if manager else "it does not", fix="on that host: docker swarm init")
    plan = socket_plan(settings)
    if not manager or plan is None or key != "socketHost":
        return
    mine = f"{prefix(settings.stack)}-"
    # More tasks than the replicas while a rollout starts new ones first; half of the limit is reserved.
    needed = (plan.replicas + plan.rollout.parallelism) * plan.memory_bytes // 2
    left = host.unreserved_memory(but=mine)
    yield Check(
        what=f"{key} has {needed >> 20} MiB left to reserve for a rollout",
        fault="" if left >= needed else f"{max(left, 0) >> 20} MiB are left",
        fix=f"a larger host, or pulumi config set socketMemoryMib NUMBER --stack {settings.stack}",
    )
    taken = host.published_ports(but=mine)
    for name, port in (("socketHttpPort", plan.http_port), ("socketHttpsPort", plan.https_port)):
        yield Check(
            what=f"{name} {port} is free there",
            fault=f"{taken[port]} publishes it" if port in taken else "",
            fix=f"pulumi config set {name} PORT --stack {settings.stack}",
        )
    n_1 = f"{settings.socket_image}@{settings.previous_socket_digest}"
    for role, reference in (
        ("the release", plan.image),
        *((("N-1", n_1),) if settings.previous_socket_digest else ()),
        ("the proxy", plan.proxy_image),
    ):
        yield _image(host, role, reference)


def _image(host: Host, role: str, reference: str) -> Check:
    image = Image.parse(reference)
    name = f"{image.name}@{image.digest}" if image.digest else reference
    what = f"the image of {role} can be pulled there"
    try:
        host.ask_registry(name)
    except OperationError as error:
        fix = "push it, or mend registryUser and REGISTRY_PASSWORD; the host itself asks the registry"
        return Check(what=what, fault=f"{name}: {last_words(error)}", fix=fix)
    return Check(what=what)


def _way_to(access: DockerHost) -> str:
    scheme, _, rest = access.address.partition("://")
    return {
        "ssh": f"try: ssh {rest} docker version  # the user must be in the group docker there",
        "tcp": "check address, authority and certificate: docker --tlsverify -H HOST version",
    }.get(scheme, "start the engine there: systemctl start docker")
