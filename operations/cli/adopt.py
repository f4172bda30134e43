"""`adopt`: compare a stack with the accounts, show, ask, write its import ids."""

from datetime import date

from rich.markup import escape

from operations.cli.console import Rehearsal, Stack, Yes, accounts_of, github_account, out, vercel_account
from operations.cli.course import confirm
from operations.services import approval, existing
from operations.stack.workspace import OperationError
from operations.verbs import adopt as adoption
from plan.preflight import blocking_for_adoption
from plan.web import skipped_builds


def adopt(stack: Stack, rehearsal: Rehearsal = False, yes: Yes = False) -> None:
    """Compare the stack with the live accounts and write import ids to its stack file."""
    with accounts_of(stack, rehearsal) as (workspace, vercel_url, github_url):
        loaded = workspace.load()
        blocking = blocking_for_adoption(loaded)
        if blocking:
            raise OperationError("\n".join(f"{p.key}: {p.text}\n  -> {p.fix}" for p in blocking))
        settings = loaded.settings
        vercel, github = (
            vercel_account(workspace, vercel_url, settings),
            github_account(workspace, github_url, settings),
        )
        state = workspace.state()
        managed = {name: str(resource["type"]) for name, resource in state.items()}
        found = existing.inspect(settings, managed, vercel, github)
        refused = [each for each in approval.examine(github, settings, state) if each.fault]
        if refused:
            raise OperationError("\n".join(f"{v.what}: {v.fault}\n  -> {v.fix}" for v in refused))
        _show(found, stack, leaving=sorted(set(settings.adopt) - set(found.ids)))
        confirm("Write this to the stack file?", yes=yes)
        adoption.apply(workspace, found, vercel, date.today())
        out.print(f"Written: {workspace.stack_file.name}. Next: pulumi preview --stack {stack}")


def _show(found: existing.Adoption, stack: str, leaving: list[str]) -> None:
    for name, id in sorted(found.ids.items()):
        out.print(f"  adopt   {found.labels[name]}  [dim]{id}[/dim]")
    for key, value in sorted(found.project.items()):
        out.print(f"  keep    project setting {key} = {value}")
    for text in skipped_builds(found.project, stack):
        out.print(f"  [yellow]mind[/yellow]    {escape(text)}")
    for index, number in found.reviewers.items():
        out.print(f"  fill    reviewers[{index}].id = {number}")
    for split in found.splits:
        copy = "gets a copy" if split.value is not None else "is made by the next `up`"
        out.print(f"  split   {split.key}: the record keeps {', '.join(split.keep)}; {split.target} {copy}")
    for deletion in found.deletions:
        out.print(
            f"  [bold]delete[/bold]  variable {deletion.label}: it must become sensitive, which Vercel does "
            "for a new one only; running deployments keep its value, the next `up` makes it again"
        )
    for change in sorted(found.changes):
        out.print(f"  change  {escape(change)} (at the first `up`)")
    for name in leaving:
        out.print(f"  done    {name}: no import id needed any more")
    if not (found.ids or found.project or found.reviewers or found.splits or found.deletions or leaving):
        out.print("  nothing to adopt: no declared object exists in the accounts outside this stack's state")
