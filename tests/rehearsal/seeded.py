"""The seeded account behind the plugins: what adoption must cope with, asked as the engine asks."""

from pathlib import Path
from typing import Any

from rehearsal import demo
from rehearsal.standin import seeds
from rehearsal.standin.account import Account
from rehearsal.standin.kinds import Properties
from rehearsal.standin.plugin import StandIn

TYPES = {
    "Project": "vercel:index/project:Project",
    "Variable": "vercel:index/projectEnvironmentVariable:ProjectEnvironmentVariable",
    "CustomEnvironment": "vercel:index/customEnvironment:CustomEnvironment",
    "Domain": "vercel:index/projectDomain:ProjectDomain",
    "Deployment": "vercel:index/deployment:Deployment",
    "Alias": "vercel:index/alias:Alias",
    "EdgeConfig": "vercel:index/edgeConfig:EdgeConfig",
    "Item": "vercel:index/edgeConfigItem:EdgeConfigItem",
    "Environment": "github:index/repositoryEnvironment:RepositoryEnvironment",
    "Ruleset": "github:index/repositoryRuleset:RepositoryRuleset",
    "Secret": "github:index/actionsEnvironmentSecret:ActionsEnvironmentSecret",
    "Setting": "github:index/actionsEnvironmentVariable:ActionsEnvironmentVariable",
    "Policy": ("github:index/repositoryEnvironmentDeploymentPolicy:RepositoryEnvironmentDeploymentPolicy"),
}


class Seeded:
    """The seeded account and a plugin of each service on it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        seeds.seed(path)
        self.accounts = {service: Account(path, service) for service in ("vercel", "github")}
        self.plugins = {service: StandIn(service, self.accounts[service]) for service in self.accounts}
        configs: dict[str, Properties] = {
            "vercel": {"apiToken": demo.VERCEL_TOKEN, "team": demo.VERCEL_TEAM_ID},
            "github": {"token": demo.GITHUB_TOKEN, "owner": demo.GITHUB_OWNER},
        }
        for service, config in configs.items():
            assert self.plugins[service].configure(config) == []

    def plugin(self, kind: str) -> tuple[StandIn, str]:
        type = TYPES[kind]
        return self.plugins[type.partition(":")[0]], type

    def checked(self, kind: str, inputs: Properties) -> Properties:
        plugin, type = self.plugin(kind)
        filled, failures = plugin.check(type, inputs)
        assert failures == []
        return filled

    def create(self, kind: str, **inputs: Any) -> tuple[str, Properties, Properties]:
        plugin, type = self.plugin(kind)
        filled = self.checked(kind, inputs)
        id, state = plugin.create(type, filled)
        return id, filled, state

    def difference(self, kind: str, old: Properties, inputs: Properties) -> tuple[list[str], set[str]]:
        plugin, type = self.plugin(kind)
        found = plugin.diff(type, old, self.checked(kind, inputs))
        return [path for path, _ in found.changes], set(found.replaces)

    def imported(self, kind: str, id: str, **inputs: Any) -> tuple[list[str], set[str]]:
        """(changed paths, replacing ones) that a preview of an import with these inputs would show."""
        plugin, type = self.plugin(kind)
        found = plugin.read(type, id, {}, {})
        assert found is not None
        return self.difference(kind, found[1], inputs)
