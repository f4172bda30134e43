"""Command line of the operations: `python -m operations VERB --stack STACK`.

Lists the verbs and says how one ends; each is a function of `operations.cli`.
"""

import sys

import typer
from rich.markup import escape

from operations.cli import (
    adopt,
    doctor,
    drift,
    features,
    health,
    hosts,
    releases,
    remind,
    review,
    secrets,
    stage,
    status,
    upstream,
)
from operations.cli.console import err
from operations.cli.waiting import patient
from operations.stack import interruption
from operations.stack.workspace import OperationError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.command()(doctor.doctor)
app.command()(adopt.adopt)
app.command()(patient(releases.up))
app.command()(patient(releases.promote))
app.command()(patient(releases.rollback))
app.command()(patient(stage.stage))
app.command()(review.review)
app.command()(features.features)
app.command()(hosts.prune)
app.command()(remind.remind)
app.command()(health.smoke)
app.command()(health.watch)
app.command("set")(secrets.set_)
app.command()(secrets.stamp)
app.command()(patient(secrets.rotate))
app.command()(status.status)
app.command()(patient(drift.drift))


@app.callback()
def main() -> None:
    """Operate PaintShare's stacks: releases, secrets, the kill switch, drift, adoption of what exists."""


def run() -> None:
    """Entry point: an OperationError ends in its message and exit code 1, never in a traceback."""
    interruption.listen(err.print)
    try:
        app()
    except OperationError as error:
        err.print(f"[red]error:[/red] {escape(str(error))}", markup=True)
        sys.exit(1)
    except interruption.Interrupted as error:
        interruption.tell(
            err.print, "interrupted; the stack file is as it was or complete, never half-written"
        )
        sys.exit(128 + error.number)
    finally:
        upstream.tell_unsent()


if __name__ == "__main__":
    run()
