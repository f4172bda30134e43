"""The Docker provider under mocks: what it is given, what is left out, and what is secret."""

import json

from components.docker_host import docker_providers
from plan.hosts import DockerHost, Login
from tests.components.recording import Declared, record


def declared(host: DockerHost) -> Declared:
    return record(lambda: docker_providers("a-host", host) and None, "staging").named("a-host")


def test_a_host_by_ssh_or_socket_gets_its_address_and_nothing_else() -> None:
    made = declared(DockerHost(address="ssh://deploy@docker.example"))
    assert made.inputs == {"host": "ssh://deploy@docker.example", "disableDockerDaemonCheck": "true"}
    assert made.secrets == frozenset()


def test_a_host_that_is_not_named_has_no_provider() -> None:
    """An address of another host would be where the engine deletes what was declared at this one."""
    assert docker_providers("a-host", None) == []


def test_the_key_of_a_host_over_tls_is_secret_and_its_certificates_are_not() -> None:
    made = declared(DockerHost(address="tcp://docker.example:2376", ca="ca", certificate="cert", key="key"))
    named = {name: made.inputs[name] for name in ("caMaterial", "certMaterial", "keyMaterial")}
    assert named == {"caMaterial": "ca", "certMaterial": "cert", "keyMaterial": "key"}
    assert made.secrets == {"keyMaterial"}


def test_the_credentials_of_a_registry_are_the_providers_and_secret() -> None:
    login = Login(registry="registry.example", user="robot", password="pass")
    made = declared(DockerHost(address="unix:///docker.sock", logins=(login,)))
    [entry] = json.loads(made.inputs["registryAuth"])
    assert entry == {"address": "registry.example", "username": "robot", "password": "pass"}
    assert made.secrets == {"registryAuth"}
