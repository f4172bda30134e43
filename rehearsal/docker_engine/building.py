"""Builds images and pushes them to the registry, each once.

What is built is named by a hash of everything that goes into it.
"""

import functools
import hashlib
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import docker  # type: ignore[import-untyped]
from docker.errors import BuildError, ImageNotFound  # type: ignore[import-untyped]

from rehearsal.cache import Progress, cache
from rehearsal.docker_engine.errors import DockerUnavailableError
from rehearsal.docker_engine.registry import Registry

_CONTENT: Final = "paintshare.content"  # label: hash of what the image was built from
PATIENCE: Final = 600  # seconds without an answer of the engine

Files = Mapping[str, "Path | bytes | None"]
"""Path in the image or build context → the file to copy, its content, or None for a folder open to all."""


@dataclass(frozen=True)
class ImageRef:
    """An image in the registry."""

    name: str
    tag: str
    digest: str

    @property
    def reference(self) -> str:
        """Tag and digest, as a service names it: the tag is for people, the digest decides."""
        return f"{self.name}:{self.tag}@{self.digest}"


def found_in(registry: Registry, target: str, content: str) -> ImageRef | None:
    """The image `target` (name:tag), if the registry has it and it was built from that content."""
    name, tag = target.split(":")
    digest = registry.digest(name, tag)
    if digest is None or registry.labels(name, tag).get(_CONTENT) != content:
        return None
    return ImageRef(f"{registry.address}/{name}", tag, digest)


def push(
    client: docker.DockerClient, registry: Registry, built: str, target: str, progress: Progress
) -> ImageRef:
    """Push an image as `target` (name:tag)."""
    name, tag = target.split(":")
    repository = f"{registry.address}/{name}"
    progress(f"pushing {target}")
    client.images.get(built).tag(repository, tag)
    for line in client.api.push(repository, tag, stream=True, decode=True):
        if "error" in line:
            raise DockerUnavailableError(f"{target} cannot be pushed: {line['error']}")
    digest = registry.digest(name, tag)
    if digest is None:
        raise DockerUnavailableError(f"{target} was pushed, but the registry does not have it")
    return ImageRef(repository, tag, digest)


def build(
    client: docker.DockerClient,
    name: str,
    files: Files,
    arguments: Mapping[str, str],
    progress: Progress,
    *,
    keep: bool = False,
) -> str:
    """Build an image, unless the engine has it. Its name, tagged by a hash of what goes into it.

    With `keep` it is also kept in the user's cache, for other engines to load: the large ones, which many
    small ones are built on.
    """
    digest = digest_of(files, arguments)
    built = name_of(name, digest)
    kept = cache("images") / f"{name}-{digest[:12]}.tar"
    if _has(client, built, digest):
        return built
    if keep and kept.exists():
        progress(f"loading {built}")
        with kept.open("rb") as file:
            client.images.load(file)
        if _has(client, built, digest):
            return built
    progress(f"building {built}")
    with tempfile.TemporaryFile() as context:
        archived(files, context)
        context.seek(0)
        try:
            client.images.build(
                fileobj=context, custom_context=True, tag=built, buildargs=dict(arguments),
                labels={_CONTENT: digest}, rm=True, forcerm=True,
            )  # fmt: skip
        except BuildError as error:
            raise DockerUnavailableError(f"{built} cannot be built: {error}") from error
    if keep:
        _keep(client, built, kept)
    return built


def name_of(name: str, digest: str) -> str:
    """Name and tag of what was built from content with this digest."""
    return f"paintshare/{name}:{digest[:12]}"


def _has(client: docker.DockerClient, name: str, digest: str) -> bool:
    try:
        return bool(client.images.get(name).labels.get(_CONTENT) == digest)
    except ImageNotFound:
        return False


def _keep(client: docker.DockerClient, built: str, file: Path) -> None:
    """Put an image into the cache, in place of the one that was built from something else."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    with draft.open("wb") as target:
        for chunk in client.images.get(built).save(named=True):
            target.write(chunk)
    for old in file.parent.glob(f"{file.name.rpartition('-')[0]}-*.tar"):
        old.unlink(missing_ok=True)
    draft.replace(file)


def digest_of(files: Files, arguments: Mapping[str, str]) -> str:
    """A hash of everything that goes into an image: paths, modes, contents and arguments."""
    total = hashlib.sha256(json.dumps(sorted(arguments.items())).encode())
    for path, content in sorted(files.items()):
        total.update(f"\0{path}\0".encode())
        if isinstance(content, Path):
            status = content.stat()
            total.update(f"{_mode(content):o}".encode())
            total.update(_file_digest(content, status.st_mtime_ns, status.st_size))
        elif content is not None:
            total.update(hashlib.sha256(content).digest())
    return total.hexdigest()


@functools.cache
def _file_digest(path: Path, _changed: int, _size: int) -> bytes:
    """Node alone has 100 MB, and goes into every release."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def archived(files: Files, target: IO[bytes], capability: str = "") -> None:
    """Files as tar: the same make the same bytes, whenever and by whomever."""
    with tarfile.open(fileobj=target, mode="w") as archive:
        for path, content in sorted(files.items()):
            entry = tarfile.TarInfo(path)
            if content is None:
                entry.type, entry.mode = tarfile.DIRTYPE, 0o1777
                archive.addfile(entry)
            elif isinstance(content, Path):
                entry.mode, entry.size = _mode(content), content.stat().st_size
                if capability:
                    entry.pax_headers = {"SCHILY.xattr.security.capability": capability}
                with content.open("rb") as file:
                    archive.addfile(entry, file)
            else:
                entry.mode, entry.size = 0o644, len(content)
                archive.addfile(entry, io.BytesIO(content))


def _mode(file: Path) -> int:
    return 0o755 if file.stat().st_mode & 0o100 else 0o644
