"""Rules of Vercel beyond types, required inputs and names, each with its source.

`seen#` was seen with the real plugin, in that section of docs/providers.md; a file is the provider's own
source; `page:` is what a page alone vouches for (documentation, a docstring, an issue). Each rule has a test
(tests/rehearsal/test_standin_vercel.py).
"""

from typing import Final

RULES: Final[dict[str, str]] = {
    # provider
    "token_has_24_characters": "seen#vercel: token of 24 characters; provider.go apiTokenRe",
    "team_is_needed": "seen#vercel: `team` needed on a team project",
    "parent_must_exist": "resource_project_environment_variable.go Create: could not find project",
    # project
    "project_name_is_unique": "seen#project: creating a project with an existing name answers 409",
    "project_import_takes_id_or_name": "seen#project: ids prj_x, name, team/prj_x; canonical id prj_x",
    "project_without_git_repository_is_cut_off": "seen#project: left out, DELETE .../link",
    "project_update_resets_undeclared": "seen#project: undeclared ones are sent as null, false or 0",
    "project_update_keeps_computed": "resource_project.go: UseNonNullStateForUnknown",
    "project_equal_settings_show_nothing": "seen#project: no write at all",
    "project_updates_in_place": "seen#project: name, ... update in place",
    "project_delete_takes_all_below": "client/project.go DeleteProject: variables cease to exist with it",
    "project_settings_have_allowed_values": "resource_project.go: validators",
    "project_one_way_to_say_it": "resource_project.go: ConflictsWith of region and of preview feedback",
    "project_repository_must_be_connected": "page: SDK Project.git_repository: Vercel for GitHub",
    # variable
    "variable_conflicts_on_key_and_target": "seen#variables: ENV_CONFLICT with its id",
    "variable_of_a_branch_overrides": "page: Vercel docs, environment-variables: Preview",
    "variable_branch_needs_preview": "page: getsentry/sentry#38047: gitBranch only with target=preview",
    "variable_branch_is_not_production": "page: vercel/vercel#15763: Cannot set Production Branch",
    "variable_branch_must_exist": "page: vercel/vercel#16111: branch not found in the Git repository",
    "variable_sensitive_refuses_development": "seen#variables: sensitive=True with target development fails",
    "variable_needs_a_scope": "page: SDK: at least one of target or custom_environment_ids must be set",
    "variable_has_one_value": "page: SDK: exactly one of value or value_wo is required",
    "variable_has_allowed_values": "resource_project_environment_variable.go: validators",
    "variable_replaces_and_updates": "seen#variables: the lists In place and Replace",
    "variable_sensitive_is_never_read": "seen#variables: a change by hand is not seen",
    "variable_drift_is_read": "seen#variables: others are read back and drift shows",
    "variable_import_of_sensitive_writes": "seen#variables: sensitive: import + PATCH",
    "variable_import_of_encrypted_as_sensitive_replaces": "seen#variables: an encrypted one fails",
    "variable_size_is_limited": "seen#variables: 64 KB of variables per deployment",
    "variable_policy_forces_sensitive": "seen#vercel: team policies can force `sensitive` on every variable",
    "variable_left_out_branch_stays": "client/environment_variable.go: gitBranch is omitempty in the PATCH",
    # custom environment
    "environment_name_is_free": "page: Vercel REST custom-environments: not Production, Preview",
    "environment_has_allowed_values": "resource_custom_environment.go: validators",
    "environment_keeps_what_is_left_out": "seen#vercel: keeps its old value silently",
    "environment_needs_the_plan": "page: Vercel docs, custom environments: Pro 1, Enterprise 12",
    "environment_delete_takes_variables": "client/custom_environment.go: DeleteCustomEnvironment",
    "environment_import_takes_name_or_id": "page: SDK Import: team/prj/name; REST takes environmentSlugOrId",
    # domain
    "domain_existing_needs_import": "seen#vercel: an existing one needs an import (team/prj/domain)",
    "domain_redirects_within_the_project": "page: SDK ProjectDomain.redirect: a domain name of the project",
    "domain_replaces_and_updates": "seen#vercel: `domain` replaces",
    "domain_branch_is_not_production": "resource_project_domain.go Create",
    "domain_has_one_scope": "resource_project_domain.go: ConflictsWith",
    "domain_has_allowed_values": "resource_project_domain.go: redirect_status_code",
    # deployment
    "deployment_replaces": "seen#vercel: every property replaces; only delete_on_destroy is state alone",
    "deployment_has_one_source": "resource_deployment.go ValidateConfig: either `ref` or `files`",
    "deployment_ref_must_exist": "seen#vercel: Deployment(project_id, ref); SDK: branch or commit hash",
    "deployment_ref_needs_git": "client/deployment.go getGitSource: project has no linked git repository",
    "deployment_keeps_the_variables_of_its_build": "seen#variables: new deployments only",
    "deployment_stays_when_deleted": "seen#vercel: delete_on_destroy is off by default",
    "deployment_takes_its_domains": "page: SDK Project.auto_assign_custom_domains, ProjectDomain.git_branch",
    "deployment_is_skipped": "client/deployment.go: deployment canceled; Vercel docs, Ignored Build Step",
    "deployment_is_staged": "seen#vercel: with auto-assign off a production build is staged",
    "deployment_cannot_be_imported": "resource_deployment.go: no ImportState",
    # alias
    "alias_moves_in_place": "seen#vercel: Alias.deployment_id updates in place",
    "alias_is_an_upsert": "resource_alias.go Create: the API is an upsert",
    "alias_needs_a_domain_of_the_team": "page: Vercel REST assign-an-alias: 403 without access to the domain",
    "alias_needs_a_ready_deployment": "page: Vercel REST assign-an-alias: the deployment must be ready",
    "alias_delete_takes_the_domain_down": "client/alias.go DeleteAlias",
    "alias_left_behind_when_renamed": "resource_alias.go Update: upserts the new name, deletes nothing",
    "alias_cannot_be_imported": "resource_alias.go: no ImportState",
    # Edge Config
    "edge_config_name": "resource_edge_config.go: validators",
    "edge_config_count_is_limited": "page: Vercel docs, pricing/edge-config: 1, 3, 10 stores by plan",
    "edge_config_item_replaced_in_wrong_order_is_gone": "seen#vercel: the item is gone",
    "edge_config_item_has_one_value": "resource_edge_config_item.go: ExactlyOneOf, key",
    "edge_config_token_connects": "client/edge_config_token.go ConnectionString",
    # the rest
    "retention_has_allowed_values": "resource_project_deployment_retention.go: OneOf(1d ... 1y, unlimited)",
    "retention_stays_when_deleted": "resource_project_deployment_retention.go: Delete",
    "webhook_replaces": "seen#vercel: Webhook: any change replaces",
    "webhook_needs_known_projects": "page: SDK Webhook.project_ids: IDs of projects of the team",
    "alert_rule_is_one_metric_or_a_ratio": "seen#vercel: one division named `formula`",
    "alert_rule_has_allowed_values": "SDK CustomAlertRule; resource_custom_alert_rule.go: validators",
    "alert_rule_floor_is_of_the_numerator": "page: SDK CustomAlertRule.trigger.minimum: ratios, gt or gte",
    "alert_rule_needs_observability_plus": "page: SDK CustomAlertRule.project_id: Observability Plus",
    "alert_notification_needs_its_ends": "page: SDK AlertRuleSlackNotification, ...Webhook...",
}
