"""The Docker provider of one host: address, TLS material and registry credentials, secret where they are.

A preview must not depend on a host that happens to be down, so the provider does not call it by itself
(docs/providers.md#docker).
"""

import pulumi
import pulumi_docker as docker

from plan.hosts import DockerHost


def docker_providers(name: str, host: DockerHost | None) -> list[pulumi.ProviderResource]:
    """A provider for everything on `host`, of which what is not set is left out; none where no host is named.

    What was declared at a host that is named no longer is then deleted there: the engine does so with the
    provider that the state remembers.
    """
    return [_provider(name, host)] if host else []


def _provider(name: str, host: DockerHost) -> docker.Provider:
    return docker.Provider(
        name,
        host=host.address,
        ca_material=host.ca or None,
        cert_material=host.certificate or None,
        key_material=pulumi.Output.secret(host.key) if host.key else None,
        # Not `auth` of the service: its change replaces the service, whose name is still taken.
        registry_auth=[
            {
                "address": login.registry,
                "username": login.user,
                "password": pulumi.Output.secret(login.password),
            }
            for login in host.logins
        ]
        or None,
        disable_docker_daemon_check=True,
    )
