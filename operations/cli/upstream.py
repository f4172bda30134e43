"""A person's clone and the branch that others record in: whose records are missing where.

A workflow brings its records there itself (`operations.stack.record`). Where the branch has no upstream, as
in the rehearsal, nothing is done.
"""

from rich.markup import escape

from operations.cli.console import err, out
from operations.stack import record
from operations.stack.workspace import OperationError, Workspace

PULL = "git pull --rebase --autostash"
_recorded: list[Workspace] = []  # those this command committed, for its last line


def ensure_current(workspace: Workspace, *, refuse: bool = True) -> None:
    """Raise OperationError where the upstream has records of the stack that are missing here.

    To apply an old stack file would take them back. Not `refuse`: warn, for what must work in an incident.
    """
    try:
        upstream = record.fetched(workspace)
    except OperationError as error:
        err.print(f"[yellow]not compared with what others recorded:[/yellow] {escape(str(error))}")
        return
    if upstream is None or not upstream.ahead:
        return
    text = f"{upstream.name} has records of {workspace.stack} that are missing here: {PULL}"
    if refuse:
        raise OperationError("\n  ".join([f"{text}. Nothing was changed", *upstream.ahead]))
    err.print("\n  ".join([f"[yellow]warning:[/yellow] {escape(text)}", *map(escape, upstream.ahead)]))


def recorded(workspace: Workspace, commit: str | None) -> None:
    """Say that a verb has recorded; the command's last line says how others get it (`tell_unsent`)."""
    out.print(f"  recorded  {workspace.stack_file.name}" + (f", commit {commit}" if commit else ""))
    if commit:
        _recorded.append(workspace)


def tell_unsent() -> None:
    """The command that brings what was committed by hand to the upstream, if anything was."""
    for workspace in _recorded[-1:]:
        upstream = record.upstream(workspace)
        if upstream is None or not upstream.behind:
            continue
        command = "git push"
        if _protected(workspace):
            remote, _, _ = upstream.name.partition("/")
            commit = upstream.behind[0].split()[0]
            command += f" {remote} HEAD:refs/heads/record-{commit}, and merge it as a pull request"
        why = f"{upstream.name} lacks this record, and an `up` from there takes it back"
        out.print(f"{why}: {command}", markup=False)


def _protected(workspace: Workspace) -> bool:
    """Whether the ruleset of this program's repository refuses a person's push."""
    stated = workspace.stated()
    repository = stated.get("infraRepository")
    return bool(repository) and repository not in stated.get("unprotectedRepositories", ())
