"""docs/alerts.md: the alert policy, where it is judged, and whom it tells."""

import re
from typing import Final

from plan.alerts import RULES
from plan.alerts.objectives import (
    FAILED_PROBES,
    LEAST_BAD_MINUTES,
    LEAST_CONNECTS,
    OBJECTIVES,
    bad_minute,
    unheard,
)
from plan.alerts.policy import WATCHDOG
from plan.alerts.rendering import expression, facts
from plan.alerts.rule import Rule
from plan.alerts.series import SERIES, Proof
from plan.settings import Settings
from plan.traffic import VERCEL_RULES, VercelRule
from plan.uptime.alertmanager import (
    NOTIFY_REPEAT,
    PAGE_INTERVAL,
    PAGE_REPEAT,
    PAGE_WAIT,
    TOLD_FIRING,
    WORKING_HOURS,
)
from plan.uptime.blackbox import PROBE_INTERVAL, PROBE_TIMEOUT
from plan.uptime.prometheus import AGENT_DELAY, EVALUATION, longest_silence, probes
from tools.docs.page import HEAD, join, table

_ALERTS: Final = """\
# Alerts

The rows of `plan/alerts/` (deployment plan §4): to change a limit, edit its row. What to do when one
fires stands in the [runbook](runbook.md#when-an-alert-fires).

**P1** goes to Discord, Slack and PagerDuty (those that are set) at once, and again every {page_repeat}.
**P2** goes to Discord and Slack on {days}, {start} to {end} in {zone}, and again every {notify_repeat};
one that arises outside waits for the morning, and one that is over by then is not told. Alerts of one
service come as one message, of {firing} alerts at most and how many there are, and one more says that they
are over; of a P2 that is over outside those hours it does not come, and PagerDuty, where it is the only
channel, keeps that incident open until somebody resolves it.

An outage silences every other alert of its service; `SiteDown` silences `ApiDown` too, and
`SocketTasksDown` silences `SocketDown`. An alert that no route knows goes where P1 goes. `Watchdog` is
sent to `WATCHDOG_URL` every minute: whoever runs that URL pages when it stays out.
"""
_DOWNTIME: Final = """\
Each check is asked every {interval} s and has {timeout} s to answer, with certificates verified and no
redirect followed. The *first message* of an outage comes at the latest so long after it began: one probe
with its time-out (or, for what the agent reports, {agent} s to see that tasks are gone and to write it to
the monitor), one evaluation ({evaluation} s), `for`, and the wait for more of the same service ({wait} s).
Changes, and more alerts of a service that was already told of, follow every {again} s.

Where Vercel's firewall (a challenge) or its deployment protection (a login) answers the probe, nobody can
judge the app: no outage and no bad minute, but `SiteUnheard`. A denial, and every other answer, stays an
outage; one that begins behind a challenge is told `for` after it could be judged again.

A restart of Prometheus begins a `for` of less than 10m anew, and so does one of the exporter that probes;
each change of rules, checks or images is one. An outage that falls into it is told later by up to its
`for`: two minutes for `SiteDown`. Longer ones go on where they were.
"""
_VERCEL: Final = """\
## Judged by Vercel

Only Vercel sees the real traffic. These are declared where the stack file says `vercelAlerts: true` (it
needs Observability Plus), and told by Vercel's Slack integration (`vercelSlackChannel`), to
`VERCEL_ALERTS_WEBHOOK_URL`, and to the team's owners. Names of metrics and filters are documented only;
Vercel refuses unknown ones. Vercel's messages name the alert, whose part of the runbook stands here.
"""
_OBJECTIVES: Final = """\
## Objectives

Burn rates are those of the SRE workbook, chapter 5: 14.4 times too fast within an hour, 6 times within
six, once within three days, each confirmed by a short window. Availability counts *bad minutes*, from
the {failed}. failed probe in a row on and by the quarter, so that a single failed probe makes none. One in an
hour would already be 16.7 times the budget, and less than the two minutes that the policy tolerates:
{least} are asked for. What an outage alert has told is not told again. Connects are judged from
{connects} attempts on.
"""
_SERIES: Final = """\
## Series

What the rules may use, and who emits it. *Seen*: a test scrapes the real program; that of the socket server
is the rehearsal's, which keeps [the contract](app-contract.md#metrics) that binds the app. *Documented*:
only its documentation vouches for the name. Rules whose series nobody emits yet, or whose exporter a stack
does not have, are not rendered.
"""


def text(settings: Settings) -> str:
    """The policy: rules with limit, place of judgement, channels; routes; objectives; series."""
    known = facts(settings, len(probes(settings)))
    hours = WORKING_HOURS["times"][0]
    lines = [
        HEAD,
        _ALERTS.format(
            firing=TOLD_FIRING,
            page_repeat=PAGE_REPEAT,
            notify_repeat=NOTIFY_REPEAT,
            days=WORKING_HOURS["weekdays"][0].replace(":", " to ").title().replace("To", "to"),
            start=hours["start_time"],
            end=hours["end_time"],
            zone=WORKING_HOURS["location"],
        ),
        "## Judged by Prometheus",
        "",
        _DOWNTIME.format(
            interval=PROBE_INTERVAL,
            timeout=PROBE_TIMEOUT,
            evaluation=EVALUATION,
            wait=PAGE_WAIT,
            agent=AGENT_DELAY,
            again=PAGE_INTERVAL,
        ),
        *table(
            ("Alert", "Severity", "Service", "Fires at", "For", "First message", "Needs", "Runbook"),
            [_rule_cells(rule) for rule in RULES],
        ),
        "",
        _VERCEL,
        *table(
            ("Alert", "Severity", "Fires", "Metric", "Filter", "Runbook"),
            [_vercel_cells(rule) for rule in VERCEL_RULES],
        ),
        "",
        _OBJECTIVES.format(failed=FAILED_PROBES, least=LEAST_BAD_MINUTES, connects=LEAST_CONNECTS),
        *table(
            ("Objective", "Promise", "Judged by", "Burn rates"),
            [
                (
                    o.name,
                    o.promise,
                    o.judged,
                    join([f"{b.factor:g}x in {b.long} and {b.short}: {s.upper()}" for b, s in o.burns], "–"),
                )
                for o in OBJECTIVES
            ],
        ),
        "",
        _SERIES,
        *table(
            ("Series", "Exporter", "Proof", "Note"),
            [(f"`{s.name}`", s.exporter, s.proof, s.note or "–") for s in SERIES],
        ),
        "",
        "## Expressions",
        "",
        f"As {settings.stack} renders them in the rehearsal.",
        "",
        "```promql",
        f"# {bad_minute(PROBE_INTERVAL)['record']}, recorded once a minute",
        bad_minute(PROBE_INTERVAL)["expr"],
        "",
        f"# {unheard()['record']}, recorded at each evaluation",
        unheard()["expr"],
        *(line for rule in RULES for line in ("", f"# {rule.name}", expression(rule, known))),
        "```",
        "",
    ]
    return "\n".join(lines)


def _rule_cells(rule: Rule) -> tuple[str, ...]:
    judged = [s for s in SERIES if s.proof is Proof.MISSING and s.exporter in rule.needs]
    return (
        f"`{rule.name}`",
        "–" if rule.name == WATCHDOG else rule.severity.upper(),
        rule.service or "of its check",
        "not judged yet" if judged else _limit(rule),
        rule.for_,
        f"{longest_silence(rule)} s" if rule.outage else "–",
        ", ".join(sorted(rule.needs)),
        _runbook(rule),
    )


def _limit(rule: Rule) -> str:
    found = re.search(r"(==|>=|<|>) \$(threshold|probes|replicas)", rule.expr)
    if found is None:
        return rule.unit or "always"
    number = f"{rule.threshold:g}" if found[2] == "threshold" else "all"
    return f"{found[1]} {number} {rule.unit}".replace("== 0 probe fails", "probe fails").replace(
        "== 0 scrape fails", "scrape fails"
    )


def _vercel_cells(rule: VercelRule) -> tuple[str, ...]:
    metric = f"`{rule.errors}` of `{rule.metric}`" if rule.share else f"{rule.aggregation} of `{rule.metric}`"
    floor = f", from {rule.least} on" if rule.least else ""
    return (
        f"`{rule.name}`",
        rule.severity.upper(),
        rule.limit + floor,
        metric,
        f"`{rule.filter}`",
        _runbook(rule),
    )


def _runbook(rule: Rule | VercelRule) -> str:
    return f"[{rule.runbook.replace('-', ' ')}](runbook.md#{rule.runbook})"
