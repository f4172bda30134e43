"""Webhooks of a team."""

from rehearsal.standin.account import Account, new_id
from rehearsal.standin.kinds import Failure, Properties, Read
from rehearsal.standin.vercel.service import VercelKind, find_project, parts_of, stated, team_of


class Webhook(VercelKind):
    type = "vercel:index/webhook:Webhook"
    document = "webhook"
    replace_on = frozenset({"endpoint", "events", "projectIds", "teamId"})
    computed = frozenset({"secret"})
    sets = ("events", "projectIds")

    def check(self, inputs: Properties) -> list[Failure]:
        return [] if inputs.get("events") else [Failure("events", "at least one must be present")]

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        team = team_of(account, inputs)
        for project_id in inputs.get("projectIds") or []:
            find_project(account, project_id, team)
        names = ("endpoint", "events", "projectIds")
        document = stated({**{name: inputs.get(name) for name in names}, "teamId": team})
        id, secret = new_id("hook_"), new_id("", 32)
        account.put("webhook", id, {**document, "secret": secret})
        return id, {**document, "secret": secret}

    def read(self, account: Account, id: str, state: Properties) -> Read | None:
        id = id if state else parts_of(id, 1)[0]
        document = account.get("webhook", id)
        if document is None:
            return None
        return self.answer(id, stated({**document, "secret": state.get("secret")}))
