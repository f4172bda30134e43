"""Backend, stack, its secrets, and what preflight will say of its file."""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from tempfile import TemporaryDirectory
from urllib.parse import parse_qs, urlsplit

from operations.stack.workspace import TO_DECRYPT, OperationError, Workspace
from operations.verbs.doctor.checks import Check, last_words
from plan import preflight
from plan.config import Loaded
from plan.settings import PROJECT


def backend(workspace: Workspace) -> Iterator[Check]:
    """Login, what a kill can do to the state, the stack, its secrets."""
    try:
        url = urlsplit(json.loads(workspace.pulumi("whoami", "--json"))["url"])
    except OperationError as error:
        fix = "pulumi login BACKEND (docs/going-live.md, step 3)"
        yield Check(what="pulumi is logged in to a backend", fault=last_words(error), fix=fix)
        return
    yield Check(what="pulumi is logged in to a backend")
    if url.scheme == "file":
        # Beside each file the engine writes one of attributes, not in one step: emptied by a kill, it makes
        # the file unreadable ("failed to load checkpoint: EOF").
        safe = url._replace(query="metadata=skip").geturl()
        skips = parse_qs(url.query).get("metadata") == ["skip"]
        yield Check(
            what="a killed run cannot make the state unreadable",
            fault="" if skips else "each file has one of attributes beside it, which a kill can leave empty",
            fix=f"pulumi login '{safe}', and delete the files *.attrs in it",
        )
    what = f"stack `{workspace.stack}` exists there"
    listed = workspace.pulumi("stack", "ls", "--json")
    if not re.search(rf'"name": "([^"]*/)?{re.escape(workspace.stack)}"', listed):
        fix = f"pulumi stack init {workspace.stack} --secrets-provider PROVIDER (docs/going-live.md, step 3)"
        yield Check(what=what, fault="it does not", fix=fix)
        return
    yield Check(what=what)
    file = workspace.stack_file
    if file.exists() and "encryptionsalt" in file.read_text():  # else a key service encrypts, or nothing does
        empty = _opens_to_everybody(workspace)
        yield Check(
            what="its passphrase is not empty",
            fault="whoever reads the stack file reads its secrets" if empty else "",
            fix="env -u PULUMI_CONFIG_PASSPHRASE_FILE PULUMI_CONFIG_PASSPHRASE= pulumi stack "
            f"change-secrets-provider passphrase --stack {workspace.stack} < NEW_PASSPHRASE_FILE; then point "
            "PULUMI_CONFIG_PASSPHRASE_FILE there, and where the file left this machine: "
            f"python -m operations rotate --all --stack {workspace.stack}",
        )
        if empty:
            return
    what = "its secrets can be decrypted"
    try:
        workspace.load()
    except OperationError as error:
        yield Check(what=what, fault=last_words(error), fix=TO_DECRYPT)
        return
    yield Check(what=what)


def _opens_to_everybody(workspace: Workspace) -> bool:
    """Whether the empty passphrase opens the stack file; the engine checks it before it encrypts a value."""
    known = {k: v for k, v in workspace.env.items() if not k.startswith("PULUMI_CONFIG_PASSPHRASE")}
    with TemporaryDirectory() as scratch:
        copy = shutil.copy(workspace.stack_file, scratch)
        try:
            replace(workspace, env=known | {"PULUMI_CONFIG_PASSPHRASE": ""}).pulumi(
                "config", "set", "--secret", f"{PROJECT}:probe", "--stack", workspace.stack,
                "--config-file", copy, stdin="a value",
            )  # fmt: skip
        except OperationError:
            return False
    return True


def stack_file(loaded: Loaded, today: date) -> Iterator[Check]:
    """What preflight will say, in one line. That the accounts were not compared yet is the next step."""
    found = [p for p in preflight.check(loaded, today).problems if p.key != "adoptedOn"]
    keys = list(dict.fromkeys(problem.key for problem in found))
    yield Check(
        what="the stack file passes preflight",
        fault=f"{len(found)} problems: {', '.join(keys)}" if found else "",
        fix=f"pulumi preview --stack {loaded.settings.stack}  # names each with its command",
    )
