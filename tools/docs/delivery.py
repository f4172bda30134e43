"""docs/delivery.md: what the workflows need."""

from collections.abc import Sequence
from typing import Final

from plan.delivery import APP_PERMISSIONS, INPUTS, Role
from plan.delivery import environments as delivery_environments
from tools.docs.page import HEAD, table
from tools.picture import StackRows

_DELIVERY: Final = """\
# What the workflows need

The rows of `plan/delivery.py`: secrets and variables that `.github/workflows` read, by what a job may do
to a stack. A job of *review* previews a pull request, and whoever opens one from this repository could
print what it reads; *plan* reads the live stack on `main` without anybody's approval (the plan an approver
sees, the daily look for drift); *apply* changes it, behind the environment's reviewers.

**Variables** are declared by this program, from the key `delivery` of the stack file, and applied like
everything else:
`pulumi config set --path delivery.ENVIRONMENT.NAME VALUE --type string --stack STACK`. **Secrets** are set
by hand, once an environment: they open the accounts that the program works with, so it cannot be the one to
bring them.

```sh
gh secret set VERCEL_API_TOKEN --env ENVIRONMENT     # asks for the value
```

Give each environment credentials of its own: *review* and *plan* only such that read. State and keys at
AWS, Google Cloud, Azure and Pulumi Cloud need no stored credential at all: a job shows GitHub's OIDC
token, whose subject names the environment (`repo:OWNER/REPOSITORY:environment:NAME`), and gets one of an
hour.

**The key of the other stack.** A promotion asks staging's monitor, and its socket host by `tcp://`, with
`MONITOR_PASSWORD` and `SOCKET_HOST_KEY` of staging's stack file. So the identities of `production` and
`production-plan` may also *decrypt* with staging's key (AWS `kms:Decrypt`, Google Cloud
`roles/cloudkms.cryptoKeyDecrypter`, Azure *Key Vault Crypto User*, Pulumi Cloud: read the stack
`staging`); those of `staging`, `staging-plan` and `preview` never with production's. A run knows only one
passphrase, and one for both stacks would open production's secrets to staging's jobs: where staging has a
monitor, use a key service. By `ssh://`, `DOCKER_SSH_KEY` and `DOCKER_KNOWN_HOSTS` of those two
environments have to do for staging's socket host as well.
"""

_APPS: Final = """\
**GitHub Apps.** Two, installed on both repositories alone, with these repository permissions. The one of
*apply* is the release app, which may bypass the ruleset of `main`. The stack that declares that ruleset
names it by the number that GitHub shows as *App ID* (`APP_CLIENT_ID` is its *Client ID*):

```sh
pulumi config set releaseAppId NUMBER --stack production
```
"""


def text(stacks: Sequence[StackRows]) -> str:
    """Environments of the workflows, and the names that each role reads."""
    roles = [
        (role, ", ".join(f"`{environment}`" for environment in found))
        for role in Role
        if (found := [e for s in stacks for e, r in delivery_environments(s.settings).items() if r is role])
    ]
    rows = [
        (
            f"`{row.name}`",
            row.kind,
            ", ".join(row.roles),
            row.needed,
            "this program" if row.declared else "by hand",
            row.meaning,
        )
        for row in INPUTS
    ]
    apps = [(name, levels[Role.PLAN], levels[Role.APPLY]) for name, levels in APP_PERMISSIONS.items()]
    return "\n".join(
        [
            HEAD,
            _DELIVERY,
            *table(("Role", "Environments"), roles),
            "",
            *table(("Name", "Kind", "Roles", "Needed", "Set", "Meaning"), rows),
            "",
            _APPS,
            *table(("Permission", *(f"App of {role}" for role in (Role.PLAN, Role.APPLY))), apps),
            "",
        ]
    )
