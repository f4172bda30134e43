"""Bring what exists in the live accounts under the program without changing it.

Writes the import ids of what was found (`operations.services.existing`) to the stack file, with the
project's live settings and the reviewers' ids. What must be done by hand at Vercel (a variable on several
targets is split, one that must become sensitive is deleted) is done first. Run again after the first good
`up`, it removes the entries that are no longer needed.
"""

from datetime import date
from typing import Any

from operations.services.accounts import VercelAccount
from operations.services.existing import Adoption
from operations.stack.workspace import Workspace, submap
from plan.settings import PROJECT


def apply(workspace: Workspace, found: Adoption, vercel: VercelAccount, today: date) -> None:
    """Do it: Vercel first, so that the ids written are those that exist then; the stack file in one step."""
    for split in found.splits:
        vercel.set_targets(split.id, list(split.keep))
        if split.value is not None:
            made = vercel.create_variable(split.key, split.value, [split.target], split.kind)
            found.ids[split.name] = found.ids[split.name].replace(split.id, made)
    for deletion in found.deletions:
        vercel.delete_variable(deletion.id)

    def change(config: dict[str, Any]) -> None:
        config[f"{PROJECT}:adoptedOn"] = today.isoformat()
        if found.ids:
            config[f"{PROJECT}:adopt"] = dict(sorted(found.ids.items()))
        else:
            config.pop(f"{PROJECT}:adopt", None)
        if found.project:
            submap(config, "vercelProject").update(found.project)
        for index, id in found.reviewers.items():
            config[f"{PROJECT}:reviewers"][index]["id"] = id

    workspace.rewrite(change)
