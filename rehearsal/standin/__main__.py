"""`python -m rehearsal.standin SERVICE --account FILE`: the plugin process of one service.

Loads the protocol's messages without the rest of the Pulumi SDK, which costs more time than everything
else here. What the engine appends to the command line is accepted and not needed.
"""

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType


def _bare(package: str, folder: Path) -> None:
    """Make a package importable without running its `__init__`."""
    module = ModuleType(package)
    module.__path__ = [str(folder)]
    sys.modules[package] = module


def main() -> None:
    spec = importlib.util.find_spec("pulumi")
    if spec is None or spec.origin is None:
        sys.exit("the package pulumi is not installed")
    sdk = Path(spec.origin).parent
    _bare("pulumi", sdk)
    _bare("pulumi.runtime", sdk / "runtime")
    _bare("pulumi.runtime.proto", sdk / "runtime" / "proto")
    serve(sys.argv[1:])


def serve(words: Sequence[str]) -> None:
    """Be the plugin that the words of a command line ask for."""
    parser = argparse.ArgumentParser(prog="rehearsal.standin", description=__doc__)
    parser.add_argument("service", choices=["docker", "github", "vercel"])
    parser.add_argument("--account", type=Path, required=True, help="SQLite file that holds the account")
    arguments, _ = parser.parse_known_args(words)

    from rehearsal.standin import server  # noqa: PLC0415  only now is the protocol cheap to import

    server.serve(arguments.service, arguments.account)


if __name__ == "__main__":
    main()
