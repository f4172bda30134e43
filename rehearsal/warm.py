"""A warm Python: a process that has imported the SDKs already, and forks one for each command that asks.

A preview starts five Python processes (two language hosts, three plugins), a verb one more: together they
spend two thirds of its time on importing what the last one has imported. Opt-in, for many commands in a row:
whoever starts it (the tests, a whole rehearsal) has `PAINTSHARE_WARM` in the environment of what it runs, and
ends it. Modules of this clone are loaded once, too; a command in another checkout gets none of them.
"""

import contextlib
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NoReturn

VARIABLE: Final = "PAINTSHARE_WARM"
CLIENT: Final = Path(__file__).resolve().parent / "warm_client.py"
_CLONE: Final = CLIENT.parent.parent
_PRELOADED: Final = (
    "pulumi", "pulumi_github", "pulumi_docker", "pulumiverse_vercel", "pydantic", "yaml", "ruamel.yaml",
    "typer", "rich.console", "rich.table", "rich.prompt", "requests", "docker",
    "rehearsal.standin.server", "rehearsal.standin.vercel", "rehearsal.standin.github",
    "rehearsal.standin.docker",
    "plan.preflight", "plan.gate", "plan.traffic", "plan.uptime", "plan.web",
    "components.web_app", "components.deployment_gate", "components.scrape_agent",
    "components.socket_server", "components.traffic_alerts", "components.uptime_checks",
    "operations.hooks.protection", "operations.hooks.rollout", "operations.__main__",
)  # fmt: skip
_START: Final = 60.0  # seconds; one is usual


def variables() -> dict[str, str]:
    """What a command is to be told of the warm Python, if this process has one."""
    if VARIABLE not in os.environ:
        return {}
    # An engine lives for seconds: collecting its garbage would cost a tenth of its time.
    return {VARIABLE: os.environ[VARIABLE], "PAINTSHARE_LANGUAGE_HOST": str(CLIENT), "GOGC": "off"}


@contextmanager
def warm() -> Iterator[None]:
    """What this process starts in a home while the block runs is run warm.

    What still runs for a command when the block ends is killed. Raises RuntimeError when it does not start.
    """
    ours, theirs = socket.socketpair()
    with tempfile.TemporaryDirectory(prefix="paintshare-") as folder, subprocess.Popen(
        [sys.executable, "-P", __file__, f"{folder}/warm", str(theirs.fileno())],
        cwd=_CLONE, env=os.environ | {"PYTHONPATH": str(_CLONE)}, pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL, start_new_session=True,
    ) as server:  # fmt: skip
        theirs.close()
        ours.settimeout(_START)
        try:
            if ours.recv(1) != b"1":
                raise RuntimeError("the warm Python did not start")
            os.environ[VARIABLE] = f"{folder}/warm"
            yield
        finally:
            os.environ.pop(VARIABLE, None)
            ours.close()  # which it sees, as it would if this process were killed
            server.wait(_START)


def command(words: Sequence[str]) -> list[str]:
    """A command as it is run: a module of this repository by a warm Python, where there is one."""
    if VARIABLE in os.environ and tuple(words[:2]) == (sys.executable, "-m"):
        return [sys.executable, "-P", str(CLIENT), "module", *words[2:]]
    return list(words)


def _serve(address: str, owner: socket.socket) -> None:
    for name in _PRELOADED:
        importlib.import_module(name)
    for name in [name for name in sys.modules if name.startswith(("operations.cli", "operations.__main__"))]:
        del sys.modules[name]  # what looks at its terminal when it is loaded is loaded by each command
    gc.collect()
    gc.freeze()  # else each child's collections would copy these objects' pages
    with socket.socket(socket.AF_UNIX) as listener, selectors.DefaultSelector() as waiting:
        listener.bind(address)
        listener.listen(64)
        owner.sendall(b"1")
        waiting.register(listener, selectors.EVENT_READ)
        waiting.register(owner, selectors.EVENT_READ)
        while True:
            with contextlib.suppress(ChildProcessError):  # those that have looked after a command
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            ready = [key.fileobj for key, _ in waiting.select()]
            if owner in ready:
                return  # those that look after a command see it too
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _look_after(connection, owner)
            connection.close()


def _look_after(connection: socket.socket, owner: socket.socket) -> NoReturn:
    """Fork what was ordered, tell its end; kill it when whoever ordered it is gone."""
    try:
        order, streams = _receive(connection)
    except (OSError, ValueError):
        os._exit(1)
    alive, dead = os.pipe()
    command = os.fork()
    if command == 0:
        os.close(alive)
        _become(order, streams)
    os.close(dead)
    for stream in streams:
        os.close(stream)
    with selectors.DefaultSelector() as waiting:
        for each in (connection, owner, alive):
            waiting.register(each, selectors.EVENT_READ)
        ended = [key.fileobj for key, _ in waiting.select()]
    # The pipe ends early where a command leaves a child behind that holds it: the command's own end counts.
    if alive not in ended:
        os.kill(command, signal.SIGKILL)
    _, status = os.waitpid(command, 0)
    with contextlib.suppress(OSError):
        connection.sendall(os.waitstatus_to_exitcode(status).to_bytes(4, "big", signed=True))
    os._exit(0)


def _receive(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    size, streams, _, _ = socket.recv_fds(connection, 4, 3)
    content, left = b"", int.from_bytes(size, "big")
    while len(content) < left:
        part = connection.recv(left - len(content))
        if not part:
            raise ValueError("the order ended early")
        content += part
    return json.loads(content), streams


def _become(order: dict[str, Any], streams: list[int]) -> NoReturn:
    """Be the process that the order is for: its streams, its environment, its folder, its program."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(order["cwd"])
    code: object = 1
    try:
        code = _run(*order["words"])
    except SystemExit as end:
        code = end.code
        if isinstance(code, str):
            print(code, file=sys.stderr)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def _run(*words: str) -> int:
    if words[:1] == ("standin",):
        from rehearsal.standin.__main__ import serve  # noqa: PLC0415  in the child alone

        serve(words[1:])
    if Path.cwd() != _CLONE and (Path.cwd() / "plan").is_dir():  # another checkout: nothing of this one
        for name in list(sys.modules):
            if (_CLONE / name.partition(".")[0]).is_dir():
                del sys.modules[name]
    sys.path.remove(str(_CLONE))
    if words[:1] == ("module",):
        sys.path.insert(0, str(Path.cwd()))
        sys.argv = [*words[1:]]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = ["pulumi-language-python", *words]
        runpy.run_path(str(_CLONE / "rehearsal" / "engine" / "language_host.py"), run_name="__main__")
    return 0


if __name__ == "__main__":
    _serve(sys.argv[1], socket.socket(fileno=int(sys.argv[2])))
