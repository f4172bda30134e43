"""Alert rules, and whom each tells."""

import uuid
from typing import Any, ClassVar

from rehearsal.standin.account import Account, Document
from rehearsal.standin.kinds import Failure, Properties, Read, ServiceError, is_known
from rehearsal.standin.vercel.service import (
    VercelKind,
    matches,
    now,
    one_of,
    parts_of,
    project_of,
    stated,
    team_of,
)


class CustomAlertRule(VercelKind):
    type = "vercel:index/customAlertRule:CustomAlertRule"
    document = "alertRule"
    replace_on = frozenset({"teamId"})
    computed = frozenset({"createdAt", "updatedAt"})
    sets = ("tags",)
    _fields: ClassVar = (
        *("evaluation", "investigationPrompt", "name", "notificationSettings", "projectId", "severity"),
        *("tags", "trigger"),
    )

    def check(self, inputs: Properties) -> list[Failure]:
        failures = matches(inputs, "name", r"(?s).+", "state it: a human-readable name")
        failures += one_of(inputs, "severity", ("low", "medium", "high"))
        tags = inputs.get("tags")
        if isinstance(tags, list) and len(tags) > 10:
            failures.append(Failure("tags", "up to 10 unique tags"))
        evaluation, trigger = inputs.get("evaluation"), inputs.get("trigger")
        if isinstance(evaluation, dict):
            failures += one_of(evaluation, "window", ("5m", "15m", "1h", "1d"))
            query = evaluation.get("query")
            if isinstance(query, dict) and is_known(query):
                failures += self._check_query(query)
        if isinstance(trigger, dict) and is_known(trigger):
            failures += self._check_trigger(trigger, evaluation)
        return failures

    def _check_query(self, query: Properties) -> list[Failure]:
        metrics, formulas = query.get("metrics") or {}, query.get("formulas") or {}
        if len(metrics) == 1 and not formulas:
            output = next(iter(metrics))
        elif len(metrics) == 2 and list(formulas) == ["formula"] and "formula" not in metrics:
            output = "formula"
            sides = [side.strip() for side in formulas["formula"].split("/")]
            if len(sides) != 2 or set(sides) != set(metrics):
                return [Failure("evaluation", "the formula must divide one metric by the other: a / b")]
        else:
            return [Failure("evaluation", "one metric, or two metrics and one division named `formula`")]
        if query.get("outputs") != [output]:
            return [Failure("evaluation", f"exactly one output: {output}")]
        return []

    def _check_trigger(self, trigger: Properties, evaluation: Any) -> list[Failure]:
        failures = one_of(trigger, "type", ("threshold", "anomaly"))
        failures += one_of(trigger, "operator", ("gt", "gte", "lt", "lte"))
        kind, anomaly = trigger.get("type", ""), ("standardDeviations",)
        needed = {"threshold": ("operator", "threshold"), "anomaly": anomaly}.get(kind, ())
        barred = {"threshold": anomaly, "anomaly": ("operator", "threshold")}.get(kind, ())
        if missing := [name for name in needed if trigger.get(name) is None]:
            failures.append(Failure("trigger", f"{' and '.join(missing)} required for type {kind}"))
        if given := [name for name in barred if trigger.get(name) is not None]:
            failures.append(Failure("trigger", f"{' and '.join(given)} not allowed for type {kind}"))
        if (trigger.get("standardDeviations") or 1) < 0.1:
            failures.append(Failure("trigger", "standardDeviations must be at least 0.1"))
        failures += self._check_floor(trigger, evaluation)
        query = evaluation.get("query") if isinstance(evaluation, dict) else None
        outputs = query.get("outputs") if isinstance(query, dict) else None
        if isinstance(outputs, list) and [trigger.get("output")] != outputs:
            failures.append(Failure("trigger", "output must be the query's single output"))
        return failures

    def _check_floor(self, trigger: Properties, evaluation: Any) -> list[Failure]:
        """`minimum`, below which nothing is judged: of a ratio's numerator, or of an anomaly's metric."""
        floor = trigger.get("minimum")
        query = evaluation.get("query") if isinstance(evaluation, dict) else None
        if floor is None or not isinstance(query, dict):
            return []
        formula = (query.get("formulas") or {}).get("formula", "")
        if floor.get("threshold", -1) < 0:
            return [Failure("trigger", "minimum.threshold must be at least 0")]
        if trigger.get("type") == "threshold" and not (formula and trigger.get("operator") in ("gt", "gte")):
            return [Failure("trigger", "minimum is for anomalies, or ratio thresholds with gt or gte")]
        metric = formula.split("/")[0].strip() if formula else next(iter(query.get("metrics") or {"": 0}))
        if floor.get("output") != metric:
            return [Failure("trigger", f"minimum.output must be {metric}")]
        return []

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        project_id, project = project_of(account, inputs)
        self._observed(account, project)
        document = stated({**{name: inputs.get(name) for name in self._fields}, "projectId": project_id})
        document |= {"createdAt": now(), "updatedAt": now()}
        id = f"ar_{uuid.uuid4()}"
        account.put("alertRule", id, document)
        return id, self._outputs(account, document)

    def read(self, account: Account, id: str, state: Properties) -> Read | None:
        id = id if state else parts_of(id, 1)[0]
        document = account.get("alertRule", id)
        if document is None:
            return None
        return self.answer(id, self._outputs(account, document))

    def update(self, account: Account, id: str, state: Properties, inputs: Properties) -> Properties:
        del state
        project_id, project = project_of(account, inputs)
        old = self.existing(account, id)
        if (old["projectId"], old["evaluation"]) != (project_id, inputs["evaluation"]):
            self._observed(account, project)
        document = stated({**{name: inputs.get(name) for name in self._fields}, "projectId": project_id})
        document |= {"createdAt": old["createdAt"], "updatedAt": now()}
        account.put("alertRule", id, document)
        return self._outputs(account, document)

    def delete(self, account: Account, id: str, state: Properties) -> None:
        del state
        for notification, _ in account.find("alertNotification", alertRuleId=id):
            account.delete("alertNotification", notification)
        account.delete("alertRule", id)

    def _observed(self, account: Account, project: Document) -> None:
        if not (account.get("team", project.get("teamId") or "") or {}).get("observabilityPlus"):
            raise ServiceError(402, "observability_plus_required", "Alert rules require Observability Plus")

    def _outputs(self, account: Account, document: Document) -> Properties:
        team = (account.get("project", document["projectId"]) or {}).get("teamId")
        times = {name: str(document[name]) for name in ("createdAt", "updatedAt")}
        return stated({**document, **times, "teamId": team})


class _AlertNotification(VercelKind):
    """A link from a rule to where it sends; every end of it must exist."""

    document = "alertNotification"
    ends: ClassVar[tuple[str, ...]]

    def check(self, inputs: Properties) -> list[Failure]:
        return one_of(inputs, "minimumSeverityLevel", ("critical",))

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        team = team_of(account, inputs)
        rule = inputs["alertRuleId"]
        if rule != "ar_default" and account.get("alertRule", rule) is None:
            raise ServiceError(404, "not_found", f"Alert rule {rule} not found")
        document = stated({name: inputs.get(name) for name in (*self.ends, "minimumSeverityLevel")})
        document |= stated(self._resolve(account, inputs)) | stated({"teamId": team})
        id = "/".join(document[name] for name in self.ends)
        account.put("alertNotification", id, document)
        return id, document

    def _resolve(self, account: Account, inputs: Properties) -> Properties:
        raise NotImplementedError

    def read(self, account: Account, id: str, state: Properties) -> Read | None:
        id = id if state else "/".join(parts_of(id, len(self.ends)))
        document = account.get("alertNotification", id)
        if document is None:
            return None
        return self.answer(id, document)

    def update(self, account: Account, id: str, state: Properties, inputs: Properties) -> Properties:
        del state
        document = self.existing(account, id)
        updated = stated({**document, "minimumSeverityLevel": inputs.get("minimumSeverityLevel")})
        account.put("alertNotification", id, updated)
        return updated


class AlertRuleSlackNotification(_AlertNotification):
    type = "vercel:index/alertRuleSlackNotification:AlertRuleSlackNotification"
    replace_on = frozenset({"alertRuleId", "slackChannelId", "slackInstallationId", "teamId"})
    kept = VercelKind.kept | {"slackInstallationId"}
    ends = ("alertRuleId", "slackInstallationId", "slackChannelId")

    def _resolve(self, account: Account, inputs: Properties) -> Properties:
        found = [id for id, _ in account.find("slackInstallation")]
        wanted = inputs.get("slackInstallationId")
        if wanted is None and len(found) == 1:
            return {"slackInstallationId": found[0]}
        if wanted not in found:
            raise ServiceError(
                400, "bad_request", f"slackInstallationId must be one of the {len(found)} of the team"
            )
        return {}


class AlertRuleWebhookNotification(_AlertNotification):
    type = "vercel:index/alertRuleWebhookNotification:AlertRuleWebhookNotification"
    replace_on = frozenset({"alertRuleId", "webhookId", "teamId"})
    ends = ("alertRuleId", "webhookId")

    def _resolve(self, account: Account, inputs: Properties) -> Properties:
        webhook = account.get("webhook", inputs["webhookId"])
        if webhook is None or "alerts.triggered" not in webhook["events"]:
            raise ServiceError(
                400, "bad_request", f"{inputs['webhookId']} is no webhook subscribed to alerts.triggered"
            )
        return {}
