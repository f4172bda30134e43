"""What a preview must not pay for: the modules that the program loads, read off a process that ran it."""

import json
import subprocess
import sys
from pathlib import Path

from plan.settings import PROJECT
from tests.builders import ROOT, StackFile, production

# What the SDKs themselves import is not the program's choice, so it is loaded first and left out.
_PROGRAM = """
import json, os, runpy, sys
import pulumi, pulumi_docker, pulumi_github, pulumiverse_vercel
from tests.components.recording import record
packages = {name.partition(".")[0] for name in sys.modules}
told = json.load(sys.stdin)
pulumi.get_root_directory = lambda: told["root"]
pulumi.runtime.set_all_config(told["config"], told["secrets"])
record(lambda: runpy.run_path(told["main"], run_name="__main__"), told["stack"])
print(json.dumps([name for name in sys.modules if name.partition(".")[0] not in packages]))
"""


def loaded(file: StackFile, folder: Path) -> set[str]:
    """Modules that the program loads for a stack file, of packages that the SDKs do not load."""
    (folder / "Pulumi.yaml").write_text((ROOT / "Pulumi.yaml").read_text())
    file.write(folder)
    told = {
        "root": str(folder),
        "main": str(ROOT / "__main__.py"),
        "stack": file.stack,
        "config": {f"{PROJECT}:{key}": value for key, value in file.raw().items()},
        "secrets": [f"{PROJECT}:{key}" for key in file.secrets],
    }
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        cwd=ROOT, input=json.dumps(told), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_a_preview_loads_the_rooms_the_hooks_and_two_libraries(tmp_path: Path) -> None:
    """pydantic for settings, ruamel for the sibling's file; what verbs and hooks ask is loaded by those."""
    names = loaded(production(), tmp_path)
    packages = {name.partition(".")[0] for name in names if name[0] != "_"} - sys.stdlib_module_names
    pydantic = {"pydantic", "pydantic_core", "annotated_types", "typing_inspection", "typing_extensions"}
    assert packages - pydantic == {"plan", "components", "operations", "ruamel"}
    verbs = {name for name in names if name.startswith("operations.")}
    assert verbs == {
        "operations.hooks",
        *(f"operations.hooks.{n}" for n in ("protection", "rollout", "thread")),
    }
