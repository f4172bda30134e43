"""Language host for Python programs, for engines that came without the official one.

Started by the `pulumi-language-python` script beside a built engine. Runs the program in this very process,
after `pulumi-language-python-exec` of the official host: same directory, same first entry of the search path,
same words for errors, on the main thread. Never runs pip: what is installed is what the clone's requirements
say. An engine starts two hosts a command and asks the first one for versions only, so nothing but the
protocol's messages is imported before a program runs.
"""

import asyncio
import gc
import importlib.metadata
import importlib.util
import logging
import os
import platform
import queue
import re
import runpy
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any, Final

_CLONE: Final = Path(__file__).resolve().parents[2]
_ROOMS: Final = ("plan", "components", "operations")
_PACKAGES: Final = ("pulumi", "pulumi.runtime", "pulumi.runtime.proto")
for _package in () if "pulumi" in sys.modules else _PACKAGES:  # without `__init__`, until a program runs
    _spec = importlib.util.find_spec(_package)
    if _spec is None or _spec.origin is None:
        sys.exit("the package pulumi is not installed")
    sys.modules[_package] = ModuleType(_package)
    sys.modules[_package].__path__ = [str(Path(_spec.origin).parent)]

import grpc  # noqa: E402
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2  # noqa: E402

_Job = tuple[language_pb2.RunRequest, Future[language_pb2.RunResponse]]


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """Answers one engine for the length of one command. `runs`: what the main thread shall run."""

    def __init__(self) -> None:
        self.runs: queue.Queue[_Job] = queue.Queue()

    def Handshake(
        self, _request: language_pb2.LanguageHandshakeRequest, _context: grpc.ServicerContext
    ) -> language_pb2.LanguageHandshakeResponse:
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, _request: Any, _context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo()

    def GetRequiredPackages(
        self, _request: language_pb2.GetRequiredPackagesRequest, _context: grpc.ServicerContext
    ) -> language_pb2.GetRequiredPackagesResponse:
        # Empty is right: the SDKs name plugin and version themselves when a provider is registered.
        return language_pb2.GetRequiredPackagesResponse()

    def About(
        self, _request: language_pb2.AboutRequest, _context: grpc.ServicerContext
    ) -> language_pb2.AboutResponse:
        return language_pb2.AboutResponse(executable=sys.executable, version=platform.python_version())

    def GetProgramDependencies(
        self, request: language_pb2.GetProgramDependenciesRequest, _context: grpc.ServicerContext
    ) -> language_pb2.GetProgramDependenciesResponse:
        installed = list(importlib.metadata.distributions())
        required = {_required_name(line) for dist in installed for line in dist.requires or ()}
        return language_pb2.GetProgramDependenciesResponse(
            dependencies=[
                language_pb2.DependencyInfo(name=dist.name, version=dist.version)
                for dist in sorted(installed, key=lambda dist: dist.name.lower())
                if request.transitiveDependencies or _normal(dist.name) not in required
            ]
        )

    def InstallDependencies(
        self, request: language_pb2.InstallDependenciesRequest, context: grpc.ServicerContext
    ) -> Iterator[language_pb2.InstallDependenciesResponse]:
        """`pulumi install`: a .venv of the project's own, never what clones share (rehearsal.venv)."""
        making = [sys.executable, "-m", "rehearsal.venv", "--own", request.info.root_directory]
        done = subprocess.run(
            making, cwd=_CLONE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        yield language_pb2.InstallDependenciesResponse(stdout=done.stdout)
        if done.returncode:
            context.abort(grpc.StatusCode.UNKNOWN, "the packages could not be installed")

    def Run(
        self, request: language_pb2.RunRequest, _context: grpc.ServicerContext
    ) -> language_pb2.RunResponse:
        answer: Future[language_pb2.RunResponse] = Future()
        self.runs.put((request, answer))
        return answer.result()


def _forget_bare_packages() -> None:
    """Let the next import of the SDK run its `__init__`."""
    for package in _PACKAGES:
        if sys.modules[package].__spec__ is None:
            del sys.modules[package]


def _run(request: language_pb2.RunRequest) -> language_pb2.RunResponse:
    from pulumi.runtime import reset_options, run_in_stack, set_all_config  # noqa: PLC0415  whole only now

    directory = request.info.program_directory or request.pwd
    program = str(Path(directory, request.info.entry_point or request.program))
    os.chdir(directory)
    sys.argv = [program, *request.args[1:]]
    # The config is handed over in memory: an environment variable would show secrets to every child process.
    set_all_config(dict(request.config), list(request.configSecretKeys))
    reset_options(
        project=request.project,
        stack=request.stack,
        root_directory=request.info.root_directory,
        organization=request.organization or "organization",
        monitor_address=request.monitor_address,
        engine_address=request.args[0] if request.args else "",
        parallel=request.parallel,
        preview=request.dryRun,
    )
    loop = asyncio.new_event_loop()
    executor = ThreadPoolExecutor(max_workers=max(request.parallel, 1) * 4)
    loop.set_default_executor(executor)
    try:
        loop.run_until_complete(run_in_stack(lambda: _execute(program)))
    except BaseException as error:
        return _ended(error, program)
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        executor.shutdown(wait=False)
        loop.close()
        sys.stdout.flush()
        sys.stderr.flush()
    return language_pb2.RunResponse()


def _execute(program: str) -> None:
    if (
        Path(program).resolve().parent != _CLONE
    ):  # a warm Python has loaded this clone's rooms, not that one's
        for name in [name for name in sys.modules if name.partition(".")[0] in _ROOMS]:
            del sys.modules[name]
    runpy.run_path(program, run_name="__main__")


def _ended(error: BaseException, program: str) -> language_pb2.RunResponse:
    """What the engine is told about a program that did not run to its end."""
    from pulumi import RunError  # noqa: PLC0415  whole only now

    if isinstance(error, SystemExit) and error.code in (None, 0):
        return language_pb2.RunResponse()
    if isinstance(error, SystemExit):
        return language_pb2.RunResponse(error=f"Program exited with non-zero exit code: {error.code}")
    if isinstance(error, RunError):
        return _failed(str(error))
    if isinstance(error, grpc.RpcError) and error.code() == grpc.StatusCode.UNAVAILABLE:
        return language_pb2.RunResponse(bail=True)  # the engine is shutting down, and says why itself
    return _failed("Program failed with an unhandled exception:\n" + _user_traceback(error, program))


def _failed(message: str) -> language_pb2.RunResponse:
    """Show the message once, as a diagnostic of the stack, and end without further words."""
    from pulumi import log  # noqa: PLC0415  whole only now

    log.error(message)
    return language_pb2.RunResponse(bail=True)


def _user_traceback(error: BaseException, program: str) -> str:
    """The traceback from the program's first frame on, whole where the program has none."""
    main = Path(program, "__main__.py") if Path(program).is_dir() else Path(program)
    frames = traceback.extract_tb(error.__traceback__)
    own = [i for i, frame in enumerate(frames) if Path(frame.filename).resolve() == main.resolve()]
    limit = own[0] - len(frames) if own else None
    return "".join(traceback.format_exception(error, limit=limit))


def _required_name(requirement: str) -> str:
    match = re.match(r"[\w.-]+", requirement)
    return _normal(match[0]) if match and "extra ==" not in requirement else ""


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def serve(signals: Iterable[int] = (signal.SIGINT, signal.SIGTERM)) -> None:
    """Print the port and answer until the engine interrupts or is gone; then end quietly and at once."""
    for number in signals:
        signal.signal(number, lambda *_: os._exit(0))
    # Importing SDKs makes objects that live as long as the process: at the default threshold a tenth of the
    # import time goes into collections that find nothing.
    gc.set_threshold(100_000)
    # Tasks of a program that failed midway are never awaited, and asyncio would report each of them.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    host = LanguageHost()
    server = grpc.server(
        ThreadPoolExecutor(max_workers=4),
        options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)],
    )
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    threading.Thread(target=_end_with, args=[os.getppid()], daemon=True).start()
    print(port, flush=True)
    while True:
        request, answer = host.runs.get()
        _forget_bare_packages()
        try:
            answer.set_result(_run(request))
        except Exception as error:  # gRPC tells the engine
            answer.set_exception(error)


def _end_with(engine: int) -> None:
    """End when the engine is gone: a killed one interrupts nobody."""
    while os.getppid() == engine:
        time.sleep(1)
    os._exit(0)


if __name__ == "__main__":
    serve()
