"""How long deployments are kept."""

from typing import ClassVar

from rehearsal.standin.account import Account, Document
from rehearsal.standin.kinds import Failure, Properties, Read
from rehearsal.standin.vercel.service import VercelKind, one_of, parts_of, project_of, stated


class ProjectDeploymentRetention(VercelKind):
    type = "vercel:index/projectDeploymentRetention:ProjectDeploymentRetention"
    document = "retention"
    replace_on = frozenset({"projectId", "teamId"})
    _periods: ClassVar = {
        "expirationPreview": "6m",
        "expirationProduction": "1y",
        "expirationCanceled": "1m",
        "expirationErrored": "3m",
    }

    def defaults(self, inputs: Properties) -> Properties:
        return {**self._periods, **super().defaults(inputs)}

    def check(self, inputs: Properties) -> list[Failure]:
        allowed = ("1d", "1w", "1m", "2m", "3m", "6m", "1y", "unlimited")
        return [failure for name in self._periods for failure in one_of(inputs, name, allowed)]

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        project_id, project = project_of(account, inputs)
        return f"{project.get('teamId')}/{project_id}", self._put(account, project_id, project, inputs)

    def read(self, account: Account, id: str, state: Properties) -> Read | None:
        project_id = state.get("projectId") or parts_of(id, 1)[0]
        policy = account.get("retention", project_id)
        project = account.get("project", project_id)
        if policy is None or project is None:
            return None
        outputs = stated({**policy, "teamId": project.get("teamId")})
        return self.answer(f"{project.get('teamId')}/{project_id}", outputs)

    def update(self, account: Account, id: str, state: Properties, inputs: Properties) -> Properties:
        del id, state
        return self._put(account, *project_of(account, inputs), inputs)

    def delete(self, account: Account, id: str, state: Properties) -> None:
        """Nothing: the policy stays as it was."""

    def _put(self, account: Account, project_id: str, project: Document, inputs: Properties) -> Properties:
        policy = {**{name: inputs[name] for name in self._periods}, "projectId": project_id}
        account.put("retention", project_id, policy)
        return stated({**policy, "teamId": project.get("teamId")})
