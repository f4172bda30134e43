"""Asks a warm Python to run a command in this process's place: `warm_client.py [standin|module] WORDS…`.

Other words are the engine's to a language host, as `pulumi-language-python` hands them on. Imports none of
the packages that the command needs, so that it starts in a hundredth of a second. `rehearsal.warm` listens
at PAINTSHARE_WARM.
"""

import array
import contextlib
import json
import os
import signal
import socket
import sys


def main() -> int:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the engine interrupts a plugin to end it
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(os.environ["PAINTSHARE_WARM"])
        here = os.getcwd()  # noqa: PTH109  importing pathlib would take longer than all else here
        order = json.dumps({"words": sys.argv[1:], "env": dict(os.environ), "cwd": here}).encode()
        streams = array.array("i", [0, 1, 2])
        server.sendmsg([len(order).to_bytes(4, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, streams)])
        server.sendall(order)
        # Where this process ends, so does the connection, and with it the command. It ends with the engine.
        engine, answer = os.getppid(), b""
        server.settimeout(1)
        while not answer and os.getppid() == engine:
            with contextlib.suppress(TimeoutError):
                answer = server.recv(4) or b"\0\0\0\1"
    return int.from_bytes(answer, "big", signed=True)


if __name__ == "__main__":
    sys.exit(main())
