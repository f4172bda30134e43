"""docs/app-contract.md against the sample battle server: its tables, its numbers, the code it shows.

The server runs on this machine's Node, without Docker: what a container adds is in test_socket_image.py.
"""

import http.client
import http.server
import json
import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from plan import socket as socket_plan
from plan.alerts.series import SERIES, Exporter
from plan.rows import Class, Store
from plan.settings import Settings
from plan.uptime.blackbox import PROBE_INTERVAL, PROBE_TIMEOUT
from plan.urls import client_url
from plan.variables import MATRIX
from rehearsal.docker_engine import contents, images, processes
from rehearsal.docker_engine.clients import Clients
from tests.builders import ROOT, production, staging

pytestmark = pytest.mark.real

CONTRACT = (ROOT / "docs" / "app-contract.md").read_text()
SOURCE = images.SOURCES / "socket-server"
SDK = Path(__file__).parent / "edge-config"
ORIGIN = "https://share-paint.app"


def section(heading: str) -> str:
    """The text below a heading, up to the next one of its level or above."""
    until = rf"^#{{1,{heading.index(' ')}}} |\Z"
    found = re.search(rf"^{re.escape(heading)}\n(.*?)(?={until})", CONTRACT, re.MULTILINE | re.DOTALL)
    assert found, heading
    return found[1]


def rows(heading: str) -> list[list[str]]:
    """The table of a section without its head; backticks stay."""
    lines = [line for line in section(heading).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def code(heading: str) -> str:
    """The TypeScript of a section as JavaScript: annotations taken off."""
    [block] = re.findall(r"```ts\n(.*?)```", section(heading), re.DOTALL)
    block = re.sub(r"^import .*$", "", block, flags=re.MULTILINE).replace("export ", "")
    block = re.sub(r"(\w)!\.", r"\1.", block)
    return re.sub(r'\??: (Promise<[^>]*>|string|"on" \| "off")(?=[ ),])', "", block)


def evaluate(script: str, /, *, packages_of: Path = ROOT, **environment: str) -> Any:
    """What a script prints, read as JSON. It may import what is installed in the folder `packages_of`."""
    done = subprocess.run(
        [contents.node(), "--input-type=module", "-e", script],
        check=True, capture_output=True, text=True, timeout=60, cwd=packages_of,
        env={"PATH": os.environ["PATH"], **environment},
    )  # fmt: skip
    return json.loads(done.stdout)


class Server:
    """The sample server as a process of this machine."""

    def __init__(self, log: Path, **environment: str) -> None:
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            self.port = free.getsockname()[1]
        self._log = log
        self.process = subprocess.Popen(
            [contents.node(), SOURCE / "server.js"],
            stdout=log.open("w"), stderr=subprocess.STDOUT,
            env={
                "PATH": os.environ["PATH"], "NODE_PATH": str(contents.node_modules(SOURCE)),
                "PORT": str(self.port), "CLIENT_URL": ORIGIN, "GIT_SHA": "a" * 40, **environment,
            },
        )  # fmt: skip
        assert processes.wait_until(lambda: self.answers() or self.process.poll() is not None, 60)
        assert self.process.poll() is None, self.log

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return self._log.read_text()

    def get(self, path: str, **headers: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with closing(connection):
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def answers(self) -> bool:
        try:
            return self.get("/healthz")[0] == http.HTTPStatus.OK
        except OSError:
            return False


@contextmanager
def served(folder: Path, **environment: str) -> Iterator[Server]:
    server = Server(folder / "server.log", **environment)
    try:
        yield server
    finally:
        server.process.kill()
        server.process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with served(tmp_path_factory.mktemp("contract")) as made:
        yield made


# --- /healthz and /metrics -------------------------------------------------------------------------------


def test_healthz_has_the_fields_of_the_contract(server: Server) -> None:
    status, body = server.get(socket_plan.HealthGate().path)
    assert status == http.HTTPStatus.OK
    assert [f"`{field}`" for field in json.loads(body)] == [row[0] for row in rows("### `/healthz`")]


def test_metrics_have_the_names_types_and_labels_of_the_contract_from_the_start(server: Server) -> None:
    text = server.get("/metrics")[1]
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    for name, kind, labels, _ in rows("### `/metrics`"):
        assert types[name.strip("`")] == kind, name
        label, *values = re.findall(r"`(\w+)`", labels) or [""]
        expected = {f'{{{label}="{value}"}}' for value in values} or {""}
        assert set(re.findall(rf"^{name.strip('`')}(\{{.*\}})? \S+$", text, re.MULTILINE)) == expected


def test_the_contract_lists_every_series_of_the_server_that_an_alert_uses_and_every_one_it_makes_itself(
    server: Server,
) -> None:
    listed = {row[0].strip("`") for row in rows("### `/metrics`")}
    assert listed >= {s.name for s in SERIES if s.exporter is Exporter.SOCKET}
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", server.get("/metrics")[1], re.MULTILINE))
    assert listed >= {name for name in types if not name.startswith(("process_", "nodejs_"))}


def test_the_path_and_the_pace_of_the_probes_are_those_of_the_plan() -> None:
    text = " ".join(section("### `/api/health`").split())
    assert Settings(stack="staging").api_probe_path in text
    assert f"every {PROBE_INTERVAL} seconds" in text
    assert f"within {PROBE_TIMEOUT} seconds" in text


# --- secrets from files ----------------------------------------------------------------------------------


def test_every_secret_of_the_socket_host_may_come_from_a_file(tmp_path: Path) -> None:
    keys = [row.key for row in MATRIX if row.kind is Class.SECRET and Store.SOCKET in row.stores]
    files = {}
    for key in keys:
        # The switch is asked for at once: its address must be one.
        value = "http://127.0.0.1:9/ecfg?token=canary" if key == "EDGE_CONFIG" else f"canary-{key}"
        (tmp_path / key).write_text(f"{value}\n")
        files[f"{key}_FILE"] = str(tmp_path / key)
    with served(tmp_path, **files, **{keys[0]: "from the environment"}) as made:
        [given] = re.findall(r"set: (.*)$", made.log, re.MULTILINE)
        assert set(given.split(", ")) == set(keys)
        assert "canary" not in made.log


# --- the graceful stop -----------------------------------------------------------------------------------


def test_the_numbers_of_the_graceful_stop_are_those_of_the_plan() -> None:
    text = " ".join(section("### A graceful stop").split())
    assert f"`DRAIN_SECONDS` ({socket_plan.DRAIN_SECONDS})" in text
    assert f"{socket_plan.STOP_GRACE.removesuffix('s')} seconds after SIGTERM" in text


def test_a_stopping_server_tells_its_clients_closes_their_transports_and_ends_with_code_0(
    tmp_path: Path,
) -> None:
    with (
        served(tmp_path, DRAIN_SECONDS="6") as made,
        Clients(made.url, ORIGIN, players=4, rooms=1) as clients,
    ):
        assert clients.wait(lambda c: c.count("connect") == 4)
        made.process.send_signal(signal.SIGTERM)
        assert clients.wait(lambda c: c.count("leaving") == 4, 30)
        assert clients.wait(lambda c: c.count("disconnect") == 4, 60)
        assert made.process.wait(60) == 0
        leaving = [e for e in clients.events if e["event"] == "leaving"]
        assert all(0 <= e["within"] <= 3000 for e in leaving)
        assert {e["reason"] for e in clients.events if e["event"] == "disconnect"} == {"transport close"}


# --- the code that the contract shows --------------------------------------------------------------------

ORIGINS = [
    ORIGIN,
    "https://staging.share-paint.app",
    "https://share-paint-git-feature-x-paintshare-demo.vercel.app",
    "https://share-paint-a1b2c3d4e-paintshare-demo.vercel.app",
    "https://share-paint-git-x-other.vercel.app",
    "https://share-paint.app.evil.example",
    "http://share-paint.app",
    "null",
]


@pytest.mark.parametrize("file", [staging(), production()], ids=["staging", "production"])
def test_the_origins_that_the_shown_code_admits_are_those_that_the_sample_server_admits(
    file: Any, tmp_path: Path
) -> None:
    entries = client_url(file.settings())
    shown = code("## `CLIENT_URL`: who may connect to the socket server").partition("const io =")[0]
    script = f"{shown}\nconsole.log(JSON.stringify({json.dumps(ORIGINS)}.map((each) => admits(each))))"
    admitted = evaluate(script, CLIENT_URL=entries)
    with served(tmp_path, CLIENT_URL=entries) as made:
        path = "/socket.io/?EIO=4&transport=polling"
        answers = [made.get(path, Origin=origin)[0] == http.HTTPStatus.OK for origin in ORIGINS]
        assert made.get(path)[0] != http.HTTPStatus.OK
    assert admitted == answers
    assert any(admitted)
    assert not all(admitted)


@pytest.mark.parametrize("file", [staging(), production()], ids=["staging", "production"])
def test_what_the_program_sets_as_client_url_fits_the_grammar(file: Any) -> None:
    for entry in client_url(file.settings()).split(","):
        origin = re.fullmatch(r"https://[a-z0-9.-]+(:\d+)?", entry)
        assert origin or (entry.startswith("^") and entry.endswith("$") and "," not in entry)


def test_a_refused_origin_is_told_by_the_numbers_of_the_runbook(server: Server) -> None:
    runbook = (ROOT / "docs/runbook.md").read_text()
    said = re.search(r"A refused origin gets (\d+) by polling and (\d+) by WebSocket", runbook)
    assert said
    upgrade = {
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }  # fmt: skip
    foreign, path = "https://evil.example", "/socket.io/?EIO=4&transport="
    assert server.get(f"{path}polling", Origin=foreign)[0] == int(said[1])
    assert server.get(f"{path}websocket", Origin=foreign, **upgrade)[0] == int(said[2])


def test_a_connection_is_recovered_only_where_the_client_was_told_something_before() -> None:
    script = """
const { createServer } = require("node:http");
const { Server } = require("socket.io");
const { io } = require("socket.io-client");
const http = createServer();
const server = new Server(http, { connectionStateRecovery: {} });
server.on("connection", (socket) => {
  if (socket.handshake.auth.told && !socket.recovered) socket.emit("welcome");
});
const recovered = (told) => new Promise((answer) => {
  const url = `http://127.0.0.1:${http.address().port}`;
  const client = io(url, { auth: { told }, forceNew: true, transports: ["websocket"], reconnectionDelay: 9 });
  const lose = () => client.io.engine.close();
  client.once("connect", () => {
    client.once("connect", () => answer(client.recovered));
    if (told) client.once("welcome", lose); else lose();
  });
});
http.listen(0, "127.0.0.1", async () => {
  console.log(JSON.stringify([await recovered(false), await recovered(true)]));
  process.exit(0);
});
"""
    modules = [contents.node_modules(SOURCE), contents.node_modules(images.SOURCES / "clients")]
    done = subprocess.run(
        [contents.node(), "-e", script], check=True, capture_output=True, text=True, timeout=120,
        env={"PATH": os.environ["PATH"], "NODE_PATH": os.pathsep.join(map(str, modules))},
    )  # fmt: skip
    assert json.loads(done.stdout) == [False, True]
    told = " ".join(section("### A graceful stop").split())
    assert "nothing to a client that was never told anything" in told


def test_the_fallback_of_the_apps_url_goes_from_its_own_to_the_branchs_to_the_deployments() -> None:
    script = f"{code('### Its own URL')}\nconsole.log(JSON.stringify(appUrl))"
    branch, deployment = "p-git-b-team.vercel.app", "p-abc-team.vercel.app"
    given: dict[str, Any] = {"NEXT_PUBLIC_VERCEL_URL": deployment}
    assert evaluate(script) == "http://localhost:3000"
    assert evaluate(script, **given) == f"https://{deployment}"
    given["NEXT_PUBLIC_VERCEL_BRANCH_URL"] = branch
    assert evaluate(script, **given) == f"https://{branch}"
    assert evaluate(script, **given, NEXT_PUBLIC_APP_URL="https://a.example") == "https://a.example"


class _EdgeConfig(http.server.BaseHTTPRequestHandler):
    """Gives one answer after the other: a value, or a status, or it closes or says nothing."""

    answers: list[str | int]
    silence: threading.Event

    def do_GET(self) -> None:
        answer = self.answers.pop(0)
        if answer == "silent":
            self.silence.wait()
        if answer in ("silent", "closes"):
            return
        missing = answer == "missing"
        self.send_response(answer if isinstance(answer, int) else 404 if missing else 200)
        self.send_header("x-edge-config-digest", "d")
        if not missing and isinstance(answer, str):
            self.send_header("ETag", f'"{answer}"')
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


READER = """
import { get } from "@vercel/edge-config";
%s
const seen = [];
for (const how of %s) {
  if (how === "battle") seen.push(await battle());
  else await get("battle").then((value) => seen.push(value), () => seen.push("throws"));
}
console.log(JSON.stringify(seen));
process.exit(0);
"""


def read(how: str, answers: list[str | int]) -> list[str]:
    """What `get` of the SDK, or the reader that the contract shows, makes of each answer."""
    silence = threading.Event()
    handler = type("Answers", (_EdgeConfig,), {"answers": list(answers), "silence": silence})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        script = READER % (code("## Kill switch of the battle"), [how] * len(answers))
        at = f"http://127.0.0.1:{server.server_port}/ecfg_x?token=t"
        seen = evaluate(script, packages_of=contents.node_modules(SDK).parent, EDGE_CONFIG=at)
        silence.set()
        server.shutdown()
    return list(seen)


REFUSALS: list[str | int] = [401, 403, 429]
FAILURES: list[str | int] = [500, 502, 503, 504, "closes"]


def test_get_of_the_edge_config_sdk_throws_when_the_contract_says_so() -> None:
    text = " ".join(section("## Kill switch of the battle").split())
    assert json.loads((SDK / "package.json").read_text())["dependencies"] == {
        "@vercel/edge-config": re.findall(r"`@vercel/edge-config` (\d+\.\d+\.\d+)", text)[0]
    }
    assert read("get", FAILURES) == ["throws"] * len(FAILURES)
    assert read("get", ["off", *FAILURES, *REFUSALS, "on"]) == [
        *["off"] * (1 + len(FAILURES)), *["throws"] * len(REFUSALS), "on",
    ]  # fmt: skip


def test_the_reader_of_the_switch_keeps_its_last_value_starts_with_on_and_waits_for_nobody() -> None:
    """Without a time-out of its own it would wait for 300 s, and for longer than this test lets it."""
    assert read("battle", ["missing", 401, "closes", "silent"]) == ["on"] * 4
    after = [*REFUSALS, *FAILURES, "missing", "maybe", "silent"]
    assert read("battle", ["off", *after, "on"]) == ["off"] * (1 + len(after)) + ["on"]
