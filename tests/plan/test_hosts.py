"""How Docker hosts are reached: what the settings give, and nothing of it in a text that is shown."""

import pytest

from plan import hosts
from plan.hosts import Login
from tests.builders import StackFile, staging

IMAGE = "registry.example:5000/socket"


def _private(image: str = IMAGE) -> StackFile:
    file = staging(socketImage=image, registryUser="robot")
    file.set_secret("REGISTRY_PASSWORD", "the-robots-password")
    return file


@pytest.mark.parametrize(
    ("image", "registry"),
    [
        ("caddy:2.10", ""),
        ("paintshare/socket", ""),
        ("docker.io/paintshare/socket", "docker.io"),
        ("registry.example:5000/socket:tag", "registry.example:5000"),
        ("localhost/socket", "localhost"),
        ("host:5000/a/b@sha256:0", "host:5000"),
    ],
)
def test_the_registry_of_an_image_is_its_first_part_if_that_is_a_host(image: str, registry: str) -> None:
    assert hosts.registry(image) == registry


def test_a_host_has_its_material_and_the_registrys_credentials() -> None:
    file = _private()
    file.config |= {"socketHost": "tcp://d.example:2376", "socketHostCa": "ca", "socketHostCertificate": "c"}
    file.set_secret("SOCKET_HOST_KEY", "the-key")
    host = hosts.socket_host(file.settings())
    assert (host.address, host.ca, host.certificate, host.key) == (
        "tcp://d.example:2376",
        "ca",
        "c",
        "the-key",
    )
    assert host.logins == (
        Login(registry="registry.example:5000", user="robot", password="the-robots-password"),
    )


def test_the_monitors_host_has_material_of_its_own() -> None:
    file = staging(monitorHost="tcp://m.example:2376", monitorHostCa="ca", monitorHostCertificate="c")
    file.set_secret("MONITOR_HOST_KEY", "the-key")
    host = hosts.monitor_host(file.settings())
    assert host
    assert (host.address, host.ca, host.certificate, host.key) == (
        "tcp://m.example:2376",
        "ca",
        "c",
        "the-key",
    )
    assert hosts.socket_host(file.settings()).key == ""


def test_the_monitors_host_knows_the_registrys_credentials_where_an_image_of_it_comes_from_there() -> None:
    file = _private()
    file.config |= {"monitorHost": "unix:///m.sock"}
    host = hosts.monitor_host(file.settings())
    assert host
    assert host.logins == ()
    file.config |= {"blackboxImage": "registry.example:5000/blackbox:1"}
    host = hosts.monitor_host(file.settings())
    assert host
    assert host.logins == hosts.socket_host(file.settings()).logins


def test_without_credentials_there_are_none_and_no_label() -> None:
    settings = staging(socketImage=IMAGE).settings()
    assert hosts.socket_host(settings).logins == ()
    assert hosts.login_label(settings, IMAGE) == {}


def test_the_label_changes_with_the_credentials_and_only_where_they_are_used() -> None:
    file = _private()
    before = hosts.login_label(file.settings(), IMAGE)
    [name] = before
    assert hosts.login_label(file.settings(), "caddy:2.10") == {}
    assert hosts.login_label(file.settings(), "other.example/socket") == {}
    file.set_secret("REGISTRY_PASSWORD", "another")
    assert before[name] != hosts.login_label(file.settings(), IMAGE)[name]
    assert "robot" not in before[name]


def test_no_secret_is_visible_in_the_text_of_a_host() -> None:
    file = _private()
    file.set_secret("SOCKET_HOST_KEY", "the-key")
    assert not any(secret in repr(hosts.socket_host(file.settings())) for secret in ("the-key", "the-robots"))


def test_while_no_monitor_is_named_it_has_no_host() -> None:
    assert hosts.monitor_host(staging().settings()) is None
