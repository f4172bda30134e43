"""SocketServer under mocks: what is declared, with which gate, and that no secret shows."""

from typing import Any

from tests.builders import production, staging
from tests.components import declare
from tests.components.recording import Recorded
from tests.plan.test_socket import DIGEST, SHA, with_release


def declared(**changes: Any) -> Recorded:
    return declare.socket(with_release(staging, **changes))


def test_nothing_is_declared_without_a_release() -> None:
    assert declare.socket(staging()).children() == []


def test_every_child_stands_below_the_component_under_its_name() -> None:
    for child in declared(socketFileSecrets=True).children():
        assert child.parent == "socket"
        assert child.name.startswith("socket-")


def test_the_service_is_health_gated_starts_first_and_rolls_back_by_itself() -> None:
    service = declared().named("socket-service").inputs
    assert service["updateConfig"]["order"] == "start-first"
    assert service["updateConfig"]["failureAction"] == "rollback"
    assert service["convergeConfig"]
    container = service["taskSpec"]["containerSpec"]
    assert "/healthz" in container["healthcheck"]["tests"][-1]
    assert container["image"].endswith(f":{SHA}@{DIGEST}")


def test_a_task_is_limited_read_only_and_without_capabilities() -> None:
    spec = declared().named("socket-service").inputs["taskSpec"]
    assert spec["containerSpec"]["readOnly"] is True
    assert spec["containerSpec"]["capDrops"] == ["ALL"]
    assert spec["resources"]["limits"] == {"memoryBytes": 512 * 1024 * 1024, "nanoCpus": 1_000_000_000}
    assert spec["logDriver"]["options"]["max-size"]


def test_the_proxy_is_limited_and_has_only_what_its_program_cannot_be_started_without() -> None:
    spec = declared().named("socket-proxy").inputs["taskSpec"]
    assert spec["containerSpec"]["readOnly"] is True
    assert spec["containerSpec"]["capDrops"] == ["ALL"]
    assert spec["containerSpec"]["capAdds"] == ["CAP_NET_BIND_SERVICE"]
    assert spec["resources"]["limits"] == {"memoryBytes": 512 * 1024 * 1024, "nanoCpus": 1_000_000_000}


def test_credentials_of_the_registry_show_as_a_label_of_the_service_alone() -> None:
    file = with_release(staging, socketImage="registry.example/socket", registryUser="robot")
    file.set_secret("REGISTRY_PASSWORD", "the-robots-password")
    recorded = declare.socket(file)
    service, proxy = recorded.named("socket-service").inputs, recorded.named("socket-proxy").inputs
    [label] = [each for each in service["labels"] if each["label"] == "app.paintshare.login"]
    assert "robot" not in label["value"]
    # In the container it would replace the service; `auth` of the service would as well.
    assert label["label"] not in str(service["taskSpec"])
    assert "auth" not in service
    assert label["label"] not in str(proxy)


def test_a_new_release_changes_no_property_that_replaces_the_service() -> None:
    """Labels of the container force a replacement, and two services cannot have one name."""
    labels = declared().named("socket-service").inputs["taskSpec"]["containerSpec"]["labels"]
    assert SHA not in str(labels)


def test_every_secret_of_the_environment_is_marked_secret() -> None:
    service = declared().named("socket-service")
    assert "taskSpec" in service.secrets
    assert "BATTLE_PASSWORD_PEPPER" in service.inputs["taskSpec"]["containerSpec"]["env"]


def test_file_secrets_are_mounted_and_absent_from_the_environment() -> None:
    recorded = declared(socketFileSecrets=True)
    container = recorded.named("socket-service").inputs["taskSpec"]["containerSpec"]
    assert {s["fileName"] for s in container["secrets"]} == {
        f"/run/secrets/{key}"
        for key in ("SUPABASE_SERVICE_ROLE_KEY", "BATTLE_PASSWORD_PEPPER", "SENTRY_DSN", "EDGE_CONFIG")
    }
    assert not {"BATTLE_PASSWORD_PEPPER", "EDGE_CONFIG"} & container["env"].keys()
    for secret in recorded.of("Secret"):
        assert "data" in secret.secrets
        assert "name" not in secret.secrets


def test_the_proxy_alone_publishes_ports_and_those_of_its_stack() -> None:
    recorded = declared()
    ports = recorded.named("socket-proxy").inputs["endpointSpec"]["ports"]
    assert {(p["publishedPort"], p["publishMode"]) for p in ports} == {(8081, "host"), (8444, "host")}
    assert "ports" not in recorded.named("socket-service").inputs["endpointSpec"]


def test_certificates_outlive_the_stack_and_nothing_else_does() -> None:
    kept = {r.name for r in declared().children() if r.options.get("retainOnDelete")}
    assert kept == {"socket-certificates"}


def test_two_stacks_share_no_physical_name() -> None:
    names = [
        {r.inputs["name"] for r in declare.socket(with_release(make)).children()}
        for make in (staging, production)
    ]
    assert names[0]
    assert not names[0] & names[1]
