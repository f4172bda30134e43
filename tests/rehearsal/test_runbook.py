"""docs/runbook.md: every command in it is known here, and runs in the rehearsal as it stands.

A command that this table does not know fails the first test. Placeholders are filled in from `FILLED`.
"""

import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from operations.cli.upstream import PULL
from plan.socket import proxy_name, service_name, socket_plan
from rehearsal import demo, home, stack_files, warm
from rehearsal.standin.drift import DRIFTS
from tests.builders import production
from tests.harness import RehearsalHome

RUNBOOK: Final = (home.CLONE / "docs" / "runbook.md").read_text()
PROJECT: Final = "web-project"


@dataclass(frozen=True, kw_only=True)
class Run:
    """How a command of the page is run: placeholders filled, answers given, and how it must end.

    `says` is a part of its output. `code` is None for one that is only looked up: it needs what a test
    elsewhere (`see`) brings.
    """

    code: int | None = 0
    says: str = ""
    stdin: str = ""
    see: str = ""


# What the issuers of production's secrets have made new.
_LINES: Final = "".join(
    f"{key}={stack_files.made_up('production', key)}\n"
    for key in (
        *("SUPABASE_SERVICE_ROLE_KEY", "SENTRY_DSN", "SLACK_WEBHOOK_URL", "DISCORD_WEBHOOK_URL"),
        *("WATCHDOG_URL", "VERCEL_ALERTS_WEBHOOK_URL"),
    )
)

# In the order in which a day's work runs them.
COMMANDS: Final[dict[str, Run]] = {
    # before a deployment
    "pulumi preview --stack production": Run(says="unchanged"),
    "python -m operations drift --stack production": Run(says="nothing was changed by hand"),
    "pulumi config get previousRelease --stack production": Run(says=demo.RELEASES[0]),
    # a rotation
    "python -m operations set KEY --stack S": Run(stdin="https://new@sentry.example/7", says="is set"),
    "python -m operations up --stack S": Run(says="updated"),
    "python -m operations rotate KEY --stack S": Run(
        stdin="https://newer@sentry.example/7", says="SENTRY_DSN-production has it"
    ),
    "python -m operations rotate BATTLE_PASSWORD_PEPPER --generate --stack S": Run(says="is built with it"),
    "python -m operations rotate BATTLE_PASSWORD_PEPPER --finish --stack S": Run(says="is gone"),
    "python -m operations rotate --all --generate --stack S": Run(stdin=_LINES, says="is built with it"),
    "python -m operations stamp KEY --stack S": Run(says="every record fits"),
    "python -m operations stamp fingerprintKey --stack S": Run(says="every record fits"),
    "python -m operations stamp --stack S": Run(says="every record fits"),
    # a release: staging runs what production serves already, so it sees to that
    "python -m operations promote --stack production": Run(says="serves"),
    "python -m operations rollback --stack production": Run(says=f"serves {demo.RELEASES[0][:7]}"),
    "python -m operations features battle=off --stack production": Run(says="switched"),
    "python -m operations features battle=on --stack production": Run(says="switched"),
    "python -m operations status": Run(says="follows develop"),
    # this home has no Docker host, and that is what the doctor finds
    "python -m operations doctor --stack S": Run(code=1, says="socketHost"),
    # drift and adoption
    "python -m operations drift --stack S": Run(code=3, says="skewProtection is not set"),
    "python -m operations drift --mend NAME --stack S": Run(says=f"Mended: {PROJECT}"),
    "python -m operations up --refresh --stack S": Run(says="serves"),
    "python -m operations adopt --stack S": Run(says="nothing to adopt"),
    "python -m operations adopt --stack production": Run(says="nothing to adopt"),
    "pulumi stack --show-urns --stack S": Run(says="urn:pulumi:production::paintshare"),
    "pulumi state unprotect 'URN' --stack S": Run(),
    "pulumi config rm monitorHost --stack S": Run(),
    "pulumi config rm previousRelease --stack production": Run(),
    # here nobody holds the lock, which is no error
    "pulumi cancel --stack S": Run(says="canceled"),
    # what needs a socket host or a monitor
    "python -m operations smoke --stack staging": Run(code=None, see="tests/rehearsal/test_smoke.py"),
    "python -m operations watch --stack production --minutes 15": Run(
        code=None, see="tests/rehearsal/test_smoke.py"
    ),
    "python -m operations stage --stack staging --release SHA --digest sha256:DIGEST": Run(
        code=None, see="tests/rehearsal/test_interrupted_rollouts.py"
    ),
    "python -m operations prune --stack S": Run(code=None, see="tests/operations/verbs/test_prune.py"),
    "python -m operations prune --stack S --keep 5": Run(
        code=None, see="tests/operations/verbs/test_prune.py"
    ),
    "docker service ps paintshare-STACK-socket": Run(code=None),
    "docker service ps paintshare-STACK-socket --no-trunc": Run(code=None),
    "docker service logs paintshare-STACK-proxy": Run(code=None),
    "docker service ls --filter name=paintshare-STACK-monitor": Run(code=None),
}
ABOUT: Final = frozenset(
    {
        *(
            "pulumi up --refresh",
            "pulumi config set --secret",
            "docker service ps",
            "docker service rollback",
        ),
        PULL,  # tests/rehearsal/test_course.py runs it
    }
)
"""Mentioned in a sentence, not to be typed as they stand."""

FILLED: Final = {"S": "production", "KEY": "SENTRY_DSN", "NAME": PROJECT}
ASKS: Final = ("up", "rollback", "features", "adopt", "promote", "rotate")


def commands(text: str) -> Iterator[str]:
    """Every command of the page: lines of its shell blocks, and inline ones that begin like one."""
    for block, inline in re.findall(
        r"```sh\n(.*?)```|`((?:python -m|pulumi|docker|git) [^`]*)`", text, re.DOTALL
    ):
        lines = [re.sub(r"\s+#.*", "", line) for line in block.splitlines()] if block else [inline]
        yield from (" ".join(line.split()) for line in lines if line.strip())


def test_every_command_of_the_page_is_known_here_and_every_one_known_stands_in_it() -> None:
    found = {each for each in commands(RUNBOOK) if "rehearsal env" not in each}
    assert found - ABOUT == set(COMMANDS)
    assert found >= ABOUT


def test_a_command_of_another_shape_would_be_seen() -> None:
    assert list(commands("`pulumi up --stack\nS` and `text`\n```sh\ngit push   # why\n```")) == [
        "pulumi up --stack S",
        "git push",
    ]


def test_what_is_not_run_here_is_run_elsewhere_or_names_a_service_that_is_declared() -> None:
    file = production(socketRelease=demo.RELEASES[1], socketDigest=f"sha256:{'1' * 64}")
    plan = socket_plan(file.settings())
    assert plan is not None
    declared = {service_name(file.stack), proxy_name(file.stack), f"{plan.prefix}-monitor"}
    for command, run in COMMANDS.items():
        if run.code is not None:
            continue
        if run.see:
            verb = shlex.split(command)[3]
            assert f'("{verb}", "-' in (home.CLONE / run.see).read_text()
        else:
            assert declared & set(re.split("[ =]", command.replace("STACK", file.stack)))


def test_every_link_inside_the_page_leads_to_a_heading() -> None:
    headings = {
        re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.*)$", RUNBOOK, re.MULTILINE)
    }
    text = re.sub(r"\s+", " ", RUNBOOK)
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= headings


def test_the_commands_of_the_page_run_as_they_stand(applied_home: RehearsalHome) -> None:
    for command, run in COMMANDS.items():
        if run.code is None:
            continue
        if command == "python -m operations drift --stack S":
            DRIFTS["skew-protection"].apply(applied_home.home.account)
        filled = {**FILLED, "URN": applied_home.resources("production")[PROJECT]["urn"]}
        words = [filled.get(word, word) for word in shlex.split(command)]
        words += _answers(words)
        if words[0] == "python":
            words = warm.command((sys.executable, *words[1:]))
        done = applied_home.run(*words, stdin=run.stdin)
        assert done.code == run.code, f"{command} ended with {done.code}:\n{done.text}"
        assert run.says in done.text, f"{command}:\n{done.text}"
        assert "Traceback" not in done.text


def _answers(words: list[str]) -> list[str]:
    """What a person answers at the terminal: yes."""
    if words[0] == "pulumi":
        asks = words[1] in ("up", "state", "cancel")
        return ["--non-interactive", "--color", "never", *(["--yes"] if asks else [])]
    return ["--yes"] if words[3] in ASKS or "--mend" in words else []


def test_the_page_names_the_roles_of_the_plan_and_the_incident_channel() -> None:
    for role in ("Release Owner", "Infra Owner", "App Owner", "On-call"):
        assert role in RUNBOOK
    assert "#incident-YYYYMMDD" in RUNBOOK
