"""The kill switch: a feature is switched at Vercel's Edge Config itself, without engine, lock or deployment.

The stack file is written first, so that an `up` that begins this very moment switches the same way. Reads
the plain keys of the stack file only: it works while another run holds the stack's lock, and where the keys
of the secrets cannot be had.
"""

from collections.abc import Mapping
from typing import Any

from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from operations.services.accounts import VercelAccount
from operations.stack.workspace import OperationError, Workspace
from plan.settings import PROJECT
from plan.web import FEATURES, edge_config_name

STATES = ("on", "off")


def parse(words: list[str]) -> dict[str, str]:
    """`battle=off` … as a map. Raises OperationError with what is known."""
    found: dict[str, str] = {}
    for word in words:
        name, _, state = word.partition("=")
        if name not in FEATURES or state not in STATES:
            known = ", ".join(f"{feature}={'|'.join(STATES)}" for feature in FEATURES)
            raise OperationError(f"{word!r} switches nothing. Known: {known}")
        found[name] = state
    return found


def switch(workspace: Workspace, vercel: VercelAccount, states: Mapping[str, str]) -> None:
    """Record the states in the stack file and set them at Vercel. Raises OperationError where one failed."""
    name = edge_config_name(workspace.stack)
    edge_config = vercel.edge_config(name)
    if edge_config is None:
        raise OperationError(
            f"Vercel has no Edge Config {name}; nothing was changed. It is made by: "
            f"python -m operations up --stack {workspace.stack}"
        )

    def change(config: dict[str, Any]) -> None:
        for feature, state in states.items():
            if config.get(f"{PROJECT}:{feature}") != state:
                # YAML 1.1 readers take a bare `off` for false.
                config[f"{PROJECT}:{feature}"] = DoubleQuotedScalarString(state)

    workspace.rewrite(change)
    try:
        vercel.set_edge_items(edge_config, states)
        live = vercel.edge_items(edge_config)
    except OperationError as error:
        raise OperationError(
            f"{error}\n{workspace.stack_file.name} says so already, Vercel does not: run the command again"
        ) from None
    wrong = {feature: live.get(feature) for feature, state in states.items() if live.get(feature) != state}
    if wrong:
        raise OperationError(f"Vercel took the change, but says {wrong}: run the command again")
