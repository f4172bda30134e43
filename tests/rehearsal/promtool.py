"""Runs the rules of a stack in the real promtool: input series in, the alerts that fire at a time out.

Nothing of the verdict is imitated: series go through Prometheus's own engine and rule manager. Only the
writing of its test files is here.
"""

import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from plan.alerts.policy import WATCHDOG

Values = Iterable[float | str]


@dataclass(frozen=True)
class Check:
    """At `minute`, exactly these alerts fire: name -> number."""

    minute: float
    firing: Mapping[str, int]


def counted(steps: Iterable[float]) -> list[float]:
    """A counter out of what is added at each step."""
    total, found = 0.0, []
    for step in steps:
        total += step
        found.append(round(total, 6))
    return found


def clock(minute: float) -> str:
    """Promtool's way to write a time."""
    seconds = round(minute * 60)
    return f"{seconds // 60}m{seconds % 60}s"


class Promtool:
    """One promtool, one folder. `rules` is a rule file's content."""

    def __init__(self, program: Path, folder: Path, rules: Mapping[str, Any]) -> None:
        self.program = program
        self.folder = folder
        self.rules = rules

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.program, *arguments], cwd=self.folder, capture_output=True, text=True, check=False
        )

    def judge(
        self,
        series: Mapping[str, Values],
        checks: Sequence[Check],
        *,
        step: int = 15,
        every: int = 15,
        only: Iterable[str] = (),
        leave_out: Iterable[str] = (WATCHDOG,),
    ) -> str:
        """What promtool has to say against `checks`; "" when all hold.

        `step`: seconds between two samples. `every`: seconds between two evaluations of every group.
        `only`: names of the rules to keep (recording rules stay); all of them when empty. `leave_out`: alerts
        that `checks` do not speak of.
        """
        names = frozenset(only)
        asked = f'count by (alertname) (ALERTS{{alertstate="firing",alertname!~"{"|".join(leave_out)}"}})'
        groups = [
            {**group, "rules": [r for r in group["rules"] if not names or r.get("alert", "") in names | {""}]}
            for group in self.rules["groups"]
        ]
        (self.folder / "rules.yml").write_text(yaml.safe_dump({"groups": groups}, width=1000))
        test = {
            "rule_files": ["rules.yml"],
            "evaluation_interval": f"{every}s",
            "tests": [
                {
                    "interval": f"{step}s",
                    "input_series": [
                        {"series": name, "values": _written(values)} for name, values in series.items()
                    ],
                    "promql_expr_test": [
                        {
                            "expr": asked,
                            "eval_time": clock(check.minute),
                            "exp_samples": [
                                {"labels": f'{{alertname="{name}"}}', "value": number}
                                for name, number in check.firing.items()
                            ],
                        }
                        for check in checks
                    ],
                }
            ],
        }
        (self.folder / "test.yml").write_text(yaml.safe_dump(test, width=1000))
        done = self.run("test", "rules", "test.yml")
        return "" if done.returncode == 0 else done.stdout + done.stderr


def _written(values: Values) -> str:
    """Promtool's notation; runs of one value are written as one."""
    found: list[tuple[str, int]] = []
    for value in values:
        text = value if isinstance(value, str) else f"{value:.10g}"
        if found and found[-1][0] == text:
            found[-1] = (text, found[-1][1] + 1)
        else:
            found.append((text, 1))
    return " ".join(_run(text, number) for text, number in found)


def _run(text: str, number: int) -> str:
    """`1x2` stands for three samples and `_x3` for three missing ones; `stale` cannot be repeated."""
    if text == "stale":
        return " ".join([text] * number)
    if text == "_":
        return f"_x{number}"
    return f"{text}x{number - 1}" if number > 1 else text
