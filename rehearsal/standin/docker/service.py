"""Swarm services, as the official plugin keeps them: what is sent, what is compared, what is never read back.

Their arguments stand in `service_fields`, how a rollout is waited for in `rollout`.
"""

from collections.abc import Iterator

from rehearsal.standin.account import Account
from rehearsal.standin.docker import session
from rehearsal.standin.docker.fields import Object
from rehearsal.standin.docker.objects import DockerKind, Read
from rehearsal.standin.docker.rollout import Rollout, remove, secrets_of
from rehearsal.standin.docker.service_fields import SERVICE
from rehearsal.standin.kinds import UNKNOWN, Failure, Properties, ServiceError, UnfinishedError


class Service(DockerKind):
    type = "docker:index/service:Service"
    fields = SERVICE

    def unseen(self) -> frozenset[str]:
        return frozenset({"auth", "convergeConfig"})

    def check(self, inputs: Properties) -> list[Failure]:
        return [*super().check(inputs), *_conflicts(inputs)]

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        del account
        with session.asking(*secrets_of(inputs)) as engine:
            made = engine.write("/services/create", self._spec(inputs), auth=_auth(inputs))["ID"]
        if "convergeConfig" in inputs:
            try:
                Rollout(made, inputs).start()
            except ServiceError as error:
                try:
                    remove(made)  # as the plugin does: the next `up` creates it anew
                except ServiceError:
                    # The engine has gone, say. The plugin forgets the service; here the state keeps it.
                    raise UnfinishedError(error.message, made, inputs, inputs) from None
                raise
        return made, self._outputs(made, inputs)

    def read(self, account: Account, id: str, state: Properties) -> Read | None:
        del account
        # The plugin also takes a service of the same name that was made anew by hand.
        names = (id, state.get("name", id))
        with session.asking() as engine:
            all_services = engine.services()
        found = [each for each in all_services if each["ID"] == id]
        found += [each for each in all_services if each["Spec"]["Name"] in names]
        if not found:
            return None
        return self.answer(found[0]["ID"], self.fields.from_engine(found[0]["Spec"]), state)

    def update(self, account: Account, id: str, state: Properties, inputs: Properties) -> Properties:
        del account, state
        secrets = secrets_of(inputs)
        with session.asking(*secrets) as engine:
            for attempt in range(5):
                now = engine.inspect_service(id)
                body = self._spec(inputs, self.fields.from_engine(now["Spec"]))
                try:
                    engine.write(
                        f"/services/{id}/update", body, auth=_auth(inputs), version=now["Version"]["Index"]
                    )
                    break
                except Exception as error:
                    # Swarm writes to a service that is being rolled out, too.
                    if attempt == 4 or "update out of sequence" not in str(error):
                        raise
        if "convergeConfig" in inputs:
            try:
                Rollout(id, inputs).update()
            except ServiceError as error:
                raise UnfinishedError(error.message, id, inputs, inputs) from None
        return self._outputs(id, inputs)

    def delete(self, account: Account, id: str, state: Properties) -> None:
        del account, state
        remove(id)

    def _spec(self, inputs: Properties, live: Properties | None = None) -> Properties:
        """The body to send. What is left out and kept stays as it is in the engine."""
        whole = _completed(self.fields, inputs, live or {})
        spec: Properties = self.fields.to_engine(
            {name: value for name, value in whole.items() if name not in ("auth", "convergeConfig")}
        )
        # Left out, the plugin sends zero, not Docker's ten seconds: the container is killed at once.
        spec["TaskTemplate"]["ContainerSpec"].setdefault("StopGracePeriod", 0)
        return spec

    def _outputs(self, id: str, inputs: Properties) -> Properties:
        with session.asking() as engine:
            live = self.fields.from_engine(engine.inspect_service(id)["Spec"])
        read = self.answer(id, live, inputs)[2]
        return read | self.compared(inputs, read)

    def compared(self, inputs: Properties, outputs: Properties) -> Properties:
        """The plugin compares its outputs, and in them is what it read back and nobody stated."""
        return self.fields.with_zeros(inputs, outputs)


def _completed(table: Object, inputs: Properties, live: Properties) -> Properties:
    """Inputs, and from the engine what they leave out and the plugin keeps."""
    whole = dict(inputs)
    for field in table.fields:
        if field.name not in inputs:
            if field.kept and field.name in live:
                whole[field.name] = live[field.name]
        elif isinstance(field.value, Object) and field.name in live:
            whole[field.name] = _completed(field.value, inputs[field.name], live[field.name])
    return whole


def _conflicts(inputs: Properties) -> Iterator[Failure]:
    mode, task = inputs.get("mode"), inputs["taskSpec"]
    if isinstance(mode, dict) and mode.get("global") is True:
        for path, place in (("mode.replicated", mode), ("convergeConfig", inputs)):
            if path.rpartition(".")[2] in place:
                yield Failure(path, "conflicts with mode.global")
    networks = task.get("networksAdvanceds", []) if isinstance(task, dict) else []
    for index, each in enumerate(networks if isinstance(networks, list) else []):
        if each is not UNKNOWN and ("id" in each) == ("name" in each):
            yield Failure(
                f"taskSpec.networksAdvanceds[{index}].id", "network 'name' or 'id' must be specified"
            )


def _auth(inputs: Properties) -> Properties:
    if "auth" not in inputs:
        return session.credentials(inputs["taskSpec"]["containerSpec"]["image"])
    auth = inputs["auth"]
    return {
        "username": auth.get("username", ""),
        "password": auth.get("password", ""),
        "serveraddress": auth["serverAddress"],
    }
