"""Rules as Prometheus reads them."""

from collections.abc import Iterable, Mapping
from string import Template
from typing import Any

from plan.alerts.rule import Rule
from plan.settings import Settings


def facts(settings: Settings, probes: int) -> dict[str, str]:
    """What expressions take from the stack file: number and limits of tasks, number of checks."""
    return {
        "replicas": str(settings.socket_replicas),
        "socket_cores": f"{min(1, settings.socket_milli_cpus / 1000):g}",
        "socket_memory_bytes": str(settings.socket_memory_mib * 1024 * 1024),
        "probes": str(probes),
    }


def rendered(rules: Iterable[Rule], known: Mapping[str, str], runbook: str) -> list[dict[str, Any]]:
    """Alerting rules as Prometheus reads them. `runbook` is the address that the anchors belong to."""
    return [_rendered(rule, known, runbook) for rule in rules]


def expression(rule: Rule, known: Mapping[str, str]) -> str:
    """The rule's PromQL with its numbers in it."""
    return Template(rule.expr).substitute(known, threshold=f"{rule.threshold:g}")


def _rendered(rule: Rule, known: Mapping[str, str], runbook: str) -> dict[str, Any]:
    labels = {"severity": str(rule.severity), **dict(rule.labels)}
    if rule.service:
        labels["service"] = rule.service
    if rule.outage:
        labels["outage"] = "yes"
    return {
        "alert": rule.name,
        "expr": expression(rule, known),
        **({"for": rule.for_} if rule.for_ != "0s" else {}),
        **({"keep_firing_for": rule.keep} if rule.keep != "0s" else {}),
        "labels": labels,
        "annotations": {
            "summary": Template(rule.summary).safe_substitute(known, for_=rule.for_),
            "runbook": f"{runbook}#{rule.runbook}",
        },
    }
