"""What `make bench` compares this program with, as text of a `__main__.py` in a home of its own."""

import ast
from typing import Final

# Imports the same SDKs and starts the same plugins, which takes a resource of each.
EMPTY: Final = """
import os
import pulumi
import pulumi_docker as docker
import pulumi_github as github
import pulumiverse_vercel as vercel
os.environ.pop("GITHUB_TOKEN", None)
on_vercel = vercel.Provider("vercel", team="team_rehearsalPaintShare01")
on_github = github.Provider("github", owner="paintshare-demo")
docker.Provider("socket-host", host="unix:///none", disable_docker_daemon_check=True)
vercel.EdgeConfig("edge", name="bench", opts=pulumi.ResourceOptions(provider=on_vercel))
github.ActionsEnvironmentVariable(
    "variable", repository="share-paint", environment="production", variable_name="BENCH", value="1",
    opts=pulumi.ResourceOptions(provider=on_github),
)
"""

# The resources that this program has declared, one after the other and with literal values, on its own state:
# what the same plan costs without settings, preflight, rows and components.
FLAT: Final = """
import json, os, re
from pathlib import Path
import pulumi
import pulumi_docker as docker
import pulumi_github as github
import pulumiverse_vercel as vercel
os.environ.pop("GITHUB_TOKEN", None)
SDKS = {"docker": docker, "github": github, "vercel": vercel}
CLASSES = {f"pulumi:providers:{name}": sdk.Provider for name, sdk in SDKS.items()} | {
    cls.pulumi_type: cls for sdk in SDKS.values() for cls in vars(sdk).values() if hasattr(cls, "pulumi_type")
}
made = {}
for one in json.loads((Path(__file__).parent / "declared.json").read_text()):
    opts = pulumi.ResourceOptions(parent=made.get(one["parent"]), provider=made.get(one["provider"]))
    if one["custom"]:
        inputs = {re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).lower(): v for key, v in one["inputs"].items()}
        made[one["urn"]] = CLASSES[one["type"]](one["name"], **inputs, opts=opts)
    else:
        made[one["urn"]] = pulumi.ComponentResource(one["type"], one["name"], None, opts)
"""

# The program itself with more rows in the matrix.
GROWN: Final = """
import runpy, sys
sys.path.insert(0, {clone!r})
from plan import rows, urls, variables
more = tuple(
    rows.Row(
        f"NEXT_PUBLIC_BENCH_{{n}}", rows.Class.PUBLIC, rows.Need.REQUIRED, rows.Need.REQUIRED,
        (rows.Store.VERCEL,), meaning="bench", derive=urls.app_url,
    )
    for n in range({extra})
)
variables.MATRIX = variables.MATRIX + more
runpy.run_path({clone!r} + "/__main__.py", run_name="__main__")
"""

# The same number of variables, declared one after the other.
VARIABLES: Final = """
import pulumi
import pulumiverse_vercel as vercel
import pulumi_github as github
on_vercel = vercel.Provider("vercel", team="team_rehearsalPaintShare01")
on_github = github.Provider("github", owner="paintshare-demo")
for n in range({count}):
    vercel.ProjectEnvironmentVariable(
        f"variable-{{n}}", project_id="prj_rehearsalSharePaint01", key=f"NEXT_PUBLIC_BENCH_{{n}}",
        value="https://share-paint.app", sensitive=False, targets=["production"],
        opts=pulumi.ResourceOptions(provider=on_vercel, delete_before_replace=True),
    )
"""

# Seconds of processor that the program takes for both stacks on mocks, imports done. The first run of each
# counts: a preview is always a first run.
OWN: Final = """
import tempfile, time
from pathlib import Path
from tests import test_program
{imports}
started = time.process_time()
for file in test_program.FILES.values():
    test_program.run(file, Path(tempfile.mkdtemp()))
print(time.process_time() - started)
"""


def imports(program: str) -> str:
    """The import statements of a program's text, one a line."""
    lines = ast.parse(program).body
    return "\n".join(ast.unparse(line) for line in lines if isinstance(line, ast.Import | ast.ImportFrom))
