"""Rules of Docker, each with its source: what the engine enforces, and what the plugin does (5.2.0).

`seen#` and a section of docs/providers.md, or a file of that provider (`service.go` being
resource_docker_service.go and so on; terraform-provider-docker v4.5.0). Left out: containers, plugins,
builds, pushes.
"""

from typing import Final

RULES: Final[dict[str, str]] = {
    # provider
    "provider_names_its_host": "provider.go host, or DOCKER_HOST; the rehearsal guesses no engine",
    "provider_checks_its_certificates": "config.go of the provider: both together, or a folder",
    "provider_ssh_runs_the_ssh_client": "config.go of the provider: connhelper, dial-stdio",
    "provider_credentials_go_by_registry": "service_funcs.go fromRegistryAuth",
    "preview_needs_no_engine": "the rehearsal's own: seen#docker, the official plugin pings in a preview",
    "unreachable_engine_is_named": "config.go of the provider: Error pinging Docker server",
    "argument_not_applied_is_refused": "the rehearsal's own: nothing is accepted and ignored",
    "message_holds_no_secret": "the rehearsal's own: values of env, secrets and passwords are hidden",
    # network, volume
    "network_change_replaces": "network.go: everything is ForceNew",
    "network_in_use_is_not_removed": "network_funcs.go Remove: waits for endpoints, 30 s",
    "network_name_is_unique": "the engine: network with name ... already exists",
    "volume_change_replaces": "volume.go: everything is ForceNew",
    "volume_in_use_is_waited_for": "volume.go RemoveRefreshFunc: volume is in use, 30 s",
    # config, secret
    "blob_is_immutable": "seen#docker: configs and secrets are immutable; config.go, secret.go: ForceNew",
    "blob_name_is_unique": "seen#docker: a changed one needs a new name",
    "blob_in_use_is_not_removed": "seen#docker: cannot be removed while in use",
    "blob_deleted_twice_fails": "config.go, secret.go Delete: returns the 404",
    "blob_is_base64": "config.go, secret.go: validateStringIsBase64Encoded",
    "config_has_one_content": "config.go: ExactlyOneOf data, data_raw",
    "config_drift_is_seen": "config.go Read: name, data, labels",
    "secret_is_never_read": "secret.go Read: the name alone; no Importer",
    # images
    "image_is_pulled_once": "image_funcs.go findImage: a local one is enough",
    "image_stays_when_kept": "image_funcs.go removeImage: keep_locally",
    "tag_deletes_nothing": "tag_funcs.go Delete",
    # service
    "service_comes_back_as_stated": "seen#docker: stable over up, refresh and preview",
    "service_updates_in_place": "service.go: what is not ForceNew",
    "service_some_settings_replace": "service.go ForceNew: name, auth, hosts, sysctl, "
    "networks, labels of container and volume",
    "service_variables_have_no_order": "container_structures.go mapTypeMapValsToStringSlice: over a map",
    "service_left_out_stays": "service.go: Optional and Computed, so removed lines change nothing",
    "service_zero_that_nobody_stated_is_planned_away": "seen#docker: restart policy with `window` stated; "
    "service_structures.go createRestartPolicy",
    "service_network_by_name_is_replaced": "seen#docker: after a refresh `name` shows a replacement",
    "service_durations_as_read_back": "service_structures.go shortDur: 60s comes back as 1m",
    "service_ratio_as_read_back": "service_structures.go FormatFloat 'f', 1",
    "service_tmpfs_mode_is_permissions": "service_structures.go: Mode.Perm()",
    "service_without_stop_grace_is_killed": "service_structures.go: an empty duration is sent as 0",
    "service_has_allowed_values": "service.go: validators, ConflictsWith",
    "service_drift_is_seen": "service_funcs.go Read",
    "service_made_anew_is_found_by_name": "service_funcs.go fetchDockerService: id or name",
    "service_import": "service.go Importer; the rehearsal takes the name as well",
    "service_without_converge_returns_at_once": "service.go: detached by default",
    "service_create_waits_for_every_replica": "service_funcs.go CreateRefreshFunc",
    "service_failed_create_is_removed": "service_funcs.go Create: deleted if not converged",
    "service_update_waits_until_every_slot_runs": "service_funcs.go UpdateRefreshFunc, "
    "replicatedConsoleLogUpdater: an old task counts, and so does one within its monitor window",
    "service_bad_release_is_rolled_back": "seen#docker: fails with `service rollback completed`, N-1 serves",
    "service_failed_update_is_kept": "seen#docker: the state holds the failed inputs, the next up updates",
    "service_paused_update_fails": "service_funcs.go: service update paused",
    "service_timeout_fails": "service_funcs.go DidNotConvergeError",
    "service_interrupted_wait_ends": "the SDK's context of the plugin: cancelled with the run",
    "service_delete_waits_for_tasks": "service_funcs.go deleteService: for its containers",
}
