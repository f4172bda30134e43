"""A key service in place of the passphrase: no verb cares what encrypts the secrets (docs/going-live.md).

The service is a double of Vault's transit engine on loopback, the one provider of the engine's that needs no
cloud; with it a stack file holds an encrypted key and no salt, as with AWS, Google Cloud and Azure.
"""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import yaml

from tests.harness import RehearsalHome, Result

PREFIX = "vault:v1:"


class _Transit(BaseHTTPRequestHandler):
    """`transit/encrypt/KEY` and `transit/decrypt/KEY`; ciphertext is the plaintext backwards."""

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""

    def do_PUT(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = self.headers.get("X-Vault-Token") == "the-token"
        encrypts = "/encrypt/" in self.path
        answer: dict[str, Any] = {"errors": ["permission denied"]}
        if known and encrypts:
            answer = {"data": {"ciphertext": PREFIX + body["plaintext"][::-1]}}
        elif known:
            answer = {"data": {"plaintext": body["ciphertext"].removeprefix(PREFIX)[::-1]}}
        text = json.dumps(answer).encode()
        self.send_response(200 if known else 403)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


@pytest.fixture
def access() -> Iterator[dict[str, str]]:
    """The environment of somebody who may use the key, and has no passphrase."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Transit) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield {
            "VAULT_SERVER_URL": f"http://127.0.0.1:{server.server_port}",
            "VAULT_SERVER_TOKEN": "the-token",
            "PULUMI_CONFIG_PASSPHRASE_FILE": "",
        }
        server.shutdown()


def test_with_a_key_service_in_place_of_a_passphrase_the_verbs_work_as_before(
    applied_home: RehearsalHome, access: dict[str, str]
) -> None:
    passphrase = str(applied_home.folder / "passphrase")
    change = ("pulumi", "stack", "change-secrets-provider", "hashivault://paintshare", "--stack", "staging")
    applied_home.run(*change, env={**access, "PULUMI_CONFIG_PASSPHRASE_FILE": passphrase}).ok()
    file = applied_home.home.stack_file("staging")
    stated = yaml.safe_load(file.read_text())
    assert stated["secretsprovider"] == "hashivault://paintshare"
    key = stated["encryptedkey"]
    assert "encryptionsalt" not in stated

    def run(*command: str, stdin: str = "", **env: str) -> Result:
        return applied_home.run(*command, stdin=stdin, env={**access, **env})

    python = ("python", "-m", "operations")
    run("pulumi", "preview", "-s", "staging", "--expect-no-changes").ok()
    rotated = run(
        *python, "rotate", "SENTRY_DSN", "-s", "staging", "--yes", stdin="https://p@sentry.example/2"
    )
    assert "SENTRY_DSN" in rotated.ok().stdout
    assert run(*python, "drift", "-s", "staging").ok().stdout.endswith("nothing was changed by hand.\n")
    assert "its secrets can be decrypted" in run(*python, "doctor", "-s", "staging").stdout
    now = yaml.safe_load(file.read_text())
    assert (now["secretsprovider"], now["encryptedkey"]) == ("hashivault://paintshare", key)
    assert base64.b64encode(b"sentry.example").decode() not in file.read_text()

    refused = run(*python, "drift", "-s", "staging", VAULT_SERVER_TOKEN="somebody-elses").failed()
    assert "permission denied" in refused.text
