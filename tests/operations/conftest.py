"""A workspace with a fake `pulumi` on PATH: strict about its arguments, and every call is written down."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from operations.stack.workspace import Workspace
from tests.builders import ROOT, StackFile, production

# Encrypts by reversing, so that no value stands in the file as it is. Anything unexpected is refused.
FAKE = """#!{python}
import json, os, re, sys, yaml
args = sys.argv[1:]
with open(os.environ["FAKE_LOG"], "a") as log:
    log.write(json.dumps(args) + "\\n")
if "PULUMI_OPTION_CWD" in os.environ:
    sys.exit("PULUMI_OPTION_CWD would move the command to another folder")
flag, folder, *rest, last = args
assert (flag, last) == ("-C", "--non-interactive"), args
def opt(name):
    at = rest.index(name)
    value = rest[at + 1]
    del rest[at:at + 2]
    return value
stack = opt("--stack")
path = opt("--config-file") if "--config-file" in rest else os.path.join(folder, "Pulumi." + stack + ".yaml")
if rest[:3] == ["config", "set", "--secret"]:
    key, raw = rest[3:]
    assert raw == "--raw"
    if key == os.environ.get("FAKE_FAILS_AT"):
        sys.exit("error: could not encrypt")
    content = yaml.safe_load(open(path))
    text = open(path).read()
    assert key not in content["config"], "the fake sets new keys only"
    # As the real engine: other scalars are written anew, blank lines go, a first secret brings its salt.
    text = re.sub(r": (\\d+|true|false)$", r': "\\1"', text.replace("\\n\\n", "\\n"), flags=re.MULTILINE)
    if "encryptionsalt" not in content:
        text = "encryptionsalt: v1:made\\n" + text
    secure = json.dumps("v1:" + sys.stdin.read()[::-1])
    entry = "config:\\n  " + key + ":\\n    secure: " + secure + "\\n"
    open(path, "w").write(text.replace("config:\\n", entry, 1))
elif rest == ["config", "--show-secrets", "--json"]:
    if stack == os.environ.get("FAKE_LOCKED"):
        sys.exit("error: incorrect passphrase")
    shown = {{}}
    for key, value in yaml.safe_load(open(path))["config"].items():
        secret = isinstance(value, dict) and set(value) == {{"secure"}}
        value = value["secure"][3:][::-1] if secret else value
        shown[key] = {{"value": value if isinstance(value, str) else json.dumps(value), "secret": secret}}
    print(json.dumps(shown))
elif rest == ["stack", "export"]:
    print(open(os.path.join(folder, "state.json")).read())
else:
    sys.exit("unexpected: " + " ".join(args))
"""

STACK_FILE = """\
# What this file is about.
config:
  paintshare:environment: staging # beside a value
  paintshare:webDomain: "staging.share-paint.app"
  # above a list
  paintshare:redirectDomains:
    - www.share-paint.app
  paintshare:reviewers:
    - user: mina
      id: 1
    - team: infra
  paintshare:adoptedOn: "2026-01-01"
  paintshare:fingerprintKey:
    secure: "v1:{key}"
"""
FINGERPRINT_KEY = "a fingerprint key of more than 32 characters"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A project folder with the stack files `staging` and `production`."""
    folder, tools = tmp_path / "project", tmp_path / "bin"
    folder.mkdir()
    tools.mkdir()
    (folder / "Pulumi.yaml").write_text((ROOT / "Pulumi.yaml").read_text())
    (folder / "Pulumi.staging.yaml").write_text(STACK_FILE.format(key=FINGERPRINT_KEY[::-1]))
    (folder / "state.json").write_text("{}")
    sibling: StackFile = production()
    sibling.write(folder)
    fake = tools / "pulumi"
    fake.write_text(FAKE.format(python=sys.executable))
    fake.chmod(0o755)
    env = {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "FAKE_LOG": str(tmp_path / "calls")}
    return Workspace(folder=folder, stack="staging", env=env)


@pytest.fixture
def calls(tmp_path: Path) -> Callable[[], list[list[str]]]:
    """The arguments of every `pulumi` call so far."""

    def read() -> list[list[str]]:
        log = tmp_path / "calls"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    return read
