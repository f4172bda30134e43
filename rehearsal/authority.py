"""The certificate authority of a home, which everything there that speaks TLS has its certificate from.

Made once for a home. The proxy of an `internal` stack finds it in its volume and issues from it, so that the
stack files can name it as `monitorCa` before anything runs.
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rehearsal.cache import locked
from rehearsal.docker_engine import packages
from rehearsal.docker_engine.errors import DockerUnavailableError

FOLDER: Final = "authority"
_KEY: Final = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650")


@dataclass(frozen=True)
class Authority:
    """An authority by its folder."""

    folder: Path

    @property
    def root(self) -> Path:
        """Its certificate."""
        return self.folder / "root.crt"

    @property
    def key(self) -> Path:
        return self.folder / "root.key"

    def certificate(self, *domains: str) -> Path:
        """A certificate for the domains, with its key in the same file; made at the first call for them."""
        file = self.folder / f"{domains[0]}.pem"
        with locked(self.folder / "lock", lambda _: None, ""):
            if not file.exists():
                draft, key = file.with_suffix(".crt"), file.with_suffix(".key")
                _openssl(
                    "req", "-x509", *_KEY, "-subj", f"/CN={domains[0]}", "-keyout", key, "-out", draft,
                    "-CA", self.root, "-CAkey", self.key, "-addext", "basicConstraints=critical,CA:FALSE",
                    "-addext", f"subjectAltName={','.join(f'DNS:{name}' for name in domains)}",
                )  # fmt: skip
                with key.open("a") as both:
                    both.write(draft.read_text())
                key.replace(file)
        return file


def ensure(folder: Path) -> Authority:
    """The authority of the home in `folder`. Raises DockerUnavailableError where none can be made."""
    made = Authority(folder.absolute() / FOLDER)
    made.folder.mkdir(mode=0o700, exist_ok=True)
    with locked(made.folder / "lock", lambda _: None, ""):
        if not made.root.exists():
            draft = made.root.with_suffix(".draft")
            _openssl(
                "req", "-x509", *_KEY, "-subj", "/CN=PaintShare rehearsal", "-keyout", made.key,
                "-out", draft, "-addext", "keyUsage=critical,keyCertSign,cRLSign",
            )  # fmt: skip
            draft.replace(made.root)
    return made


def _openssl(*arguments: str | Path) -> None:
    program = packages.program("openssl", "openssl", lambda _: None)
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise DockerUnavailableError(f"openssl {arguments[0]} failed: {done.stderr.strip()}")
