"""Rules of GitHub beyond types, required inputs and names, each with its source.

`seen#` was seen with the real plugin 6.15.0, in that section of docs/providers.md; a file is its provider's
source (v6.13.0); `page:` is what a page alone vouches for. Each rule has a test
(tests/rehearsal/test_standin_github.py).
"""

from typing import Final

RULES: Final[dict[str, str]] = {
    # provider
    "token_is_needed": "seen#environments: every write; provider.go: GITHUB_TOKEN if not configured",
    "owner_holds_the_repository": "seen#environments: `owner` unset means the token's own user",
    "repository_must_exist": "util_repo.go, every Create: Repositories.Get answers 404",
    # environment
    "environment_put_is_whole": "seen#environments: what is undeclared is wiped",
    "environment_put_is_an_upsert": "seen#limits: Vercel's integration makes Preview and Production itself",
    "environment_name_ignores_case": "seen#limits: environment names are not case-sensitive",
    "environment_rename_replaces": "seen#environments: all but `environment` in place",
    "environment_rename_loses_all_below": "seen#environments: and everything below",
    "environment_delete_takes_all_below": "seen#environments: GitHub docs, Deleting an environment",
    "environment_wait_is_limited": "seen#limits: wait 0-43,200 min",
    "environment_reviewers_are_limited": "seen#limits: at most 6 reviewers",
    "environment_reviewer_must_exist": "seen#environments: refused at `up`, not in the preview",
    "environment_reviewer_without_access_is_dropped": "page: integrations/terraform-provider-github#1166",
    "environment_reviewers_drift_unseen": "seen#environments: reviewers removed by hand",
    "environment_drift_is_seen": "seen#environments: wait timer, admin bypass, self review, branch policy",
    "environment_branch_policy_is_one_of_two": "page: GitHub REST environments: both cannot be the same",
    "environment_protection_dropped_by_plan": "seen#limits: canAdminsBypass differs for ever",
    "environment_reviewers_need_the_plan": "go-github repos_environments.go: 422 with them",
    "environment_needs_the_plan": "seen#limits: free and private, the environment answers 404",
    "environment_equal_import_shows_nothing": "seen#environments: SDK Import: repository:environment",
    # deployment policy
    "policy_needs_custom_branch_policies": "seen#environments: needs customBranchPolicies: true",
    "policy_needs_the_environment": "seen#environments: A deployment policy: on an existing environment",
    "policy_is_branch_or_tag": "resource_..._deployment_policy.go: ExactlyOneOf",
    "policy_branch_to_tag_replaces": "seen#environments: branch <-> tag replaces, pattern in place",
    "policy_is_unique": "page: GitHub REST branch-policies: 303, the same name pattern already exists",
    "policy_dropped_with_the_branch_policy": "seen#environments: removed with them fails once",
    "policy_deleted_by_hand_is_seen": "seen#environments: a refresh sees a deletion",
    "policy_import": "page: SDK Import: repository:environment:policyId",
    # secrets and variables
    "secret_put_is_an_upsert": "page: GitHub REST secrets: create or update",
    "secret_changed_by_hand_is_unseen": "seen#secrets: a secret set again by hand",
    "secret_deleted_by_hand_is_seen": "seen#secrets: deleted secrets",
    "secret_import_writes": "seen#secrets: never readable; SDK Import: the value is not populated",
    "secret_value_updates_in_place": "seen#secrets: use `value` (in place)",
    "secret_has_one_value": "resource_github_actions_environment_secret.go: ExactlyOneOf",
    "secret_size_is_limited": "seen#limits: 48 KB each",
    "secret_count_is_limited": "seen#limits: 100 secrets per environment",
    "entry_name": "util.go validateSecretNameFunc; GitHub docs: letters, digits, _; stored in upper case",
    "entry_needs_the_environment": "page: GitHub REST secrets, variables: 404 without the environment",
    "entry_name_replaces": "resource_github_actions_environment_*.go: ForceNew",
    "variable_is_unique": "page: GitHub REST variables: 409 already exists",
    "variable_drift_is_seen": "seen#secrets: variables, changed and deleted",
    "variable_equal_import_shows_nothing": "page: SDK Import: repository:environment:NAME",
    "entry_deleted_twice_fails": "resource_github_actions_environment_*.go Delete: returns the 404",
    # rulesets
    "ruleset_ref_is_full": "seen#secrets: a bare branch name passes the preview and fails at `up`",
    "ruleset_name_is_unique": "page: GitHub REST rules: 422 Name must be unique",
    "ruleset_has_allowed_values": "resource_github_repository_ruleset.go: validators",
    "ruleset_rules_fit_the_target": "util_ruleset_validation.go",
    "ruleset_needs_the_plan": "seen#limits: free and private, rulesets 403",
    "ruleset_drift_is_seen": "seen#secrets: rulesets",
    "ruleset_equal_import_shows_nothing": "page: SDK Import: repository:rulesetId",
    "ruleset_updates_in_place": "resource_github_repository_ruleset.go: nothing is ForceNew",
}
