"""The stack file is replaced whole or not at all, and no secret stands in an argument."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from operations.workspace import OperationError, Workspace
from plan.settings import read_siblings
from tests.operations.conftest import FINGERPRINT_KEY

Calls = Callable[[], list[list[str]]]
CANARY = "c4n4ry \"quoted\" %s $HOME 'x'\nand a second line\n"


def files(workspace: Workspace) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in workspace.folder.iterdir()}


def nothing(_: dict[str, Any]) -> None:
    return


def config(workspace: Workspace) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(workspace.stack_file.read_text())["config"]
    return content


# --- rewrite -----------------------------------------------------------------------------------------


def test_a_change_is_written_and_every_comment_survives(workspace: Workspace) -> None:
    before = workspace.stack_file.read_text()
    workspace.rewrite(lambda config: config.update({"paintshare:deploymentRetention": "1y"}))
    assert workspace.stack_file.read_text() == before + "  paintshare:deploymentRetention: 1y\n"


def test_a_rewrite_that_changes_nothing_leaves_the_file_as_it_was(workspace: Workspace) -> None:
    before = files(workspace)
    workspace.rewrite(nothing)
    assert files(workspace) == before


def test_what_looks_like_a_date_a_number_or_a_switch_stays_text(workspace: Workspace) -> None:
    texts = {"a": "2026-03-02", "b": "0123", "c": "true", "d": "1e5", "e": "null", "f": "v*", "g": "0x1f"}
    workspace.rewrite(lambda config: config.update({"paintshare:adopt": texts}))
    assert config(workspace)["paintshare:adopt"] == texts


def test_a_secret_is_encrypted_and_stands_neither_in_the_file_nor_in_an_argument(
    workspace: Workspace, calls: Calls
) -> None:
    workspace.rewrite(nothing, secrets={"SENTRY_DSN": CANARY})
    assert workspace.load().settings.values["SENTRY_DSN"].get_secret_value() == CANARY
    assert "SENTRY_DSN" in workspace.load().settings.encrypted
    assert "c4n4ry" not in workspace.stack_file.read_text()
    assert "c4n4ry" not in json.dumps(calls())
    assert "paintshare:SENTRY_DSN" in calls()[0]


def test_a_secret_and_a_change_are_written_in_one_step(workspace: Workspace) -> None:
    seen: list[str] = []

    def change(draft: dict[str, Any]) -> None:
        seen.append(workspace.stack_file.read_text())
        assert "paintshare:SENTRY_DSN" in draft
        draft["paintshare:battle"] = "off"

    before = workspace.stack_file.read_text()
    workspace.rewrite(change, secrets={"SENTRY_DSN": CANARY})
    assert seen == [before]  # until everything is done the old file is there
    assert {"paintshare:SENTRY_DSN", "paintshare:battle"} <= set(config(workspace))


def refuse(_: dict[str, Any]) -> None:
    raise OperationError("refused")


def interrupt(_: dict[str, Any]) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(("change", "error"), [(refuse, OperationError), (interrupt, KeyboardInterrupt)])
def test_a_failing_change_leaves_every_file_byte_equal_and_no_draft(
    workspace: Workspace, change: Callable[[dict[str, Any]], None], error: type[BaseException]
) -> None:
    before = files(workspace)
    with pytest.raises(error):
        workspace.rewrite(change, secrets={"SENTRY_DSN": CANARY})
    assert files(workspace) == before


@pytest.mark.parametrize("fails_at", ["paintshare:SENTRY_DSN", "paintshare:WATCHDOG_URL"])
def test_a_failing_engine_leaves_every_file_byte_equal_and_no_draft(
    workspace: Workspace, fails_at: str
) -> None:
    before = files(workspace)
    broken = replace(workspace, env={**workspace.env, "FAKE_FAILS_AT": fails_at})
    with pytest.raises(OperationError, match="could not encrypt") as raised:
        broken.rewrite(nothing, secrets={"SENTRY_DSN": CANARY, "WATCHDOG_URL": CANARY})
    assert files(workspace) == before
    assert "c4n4ry" not in str(raised.value)


def test_a_value_that_yaml_cannot_hold_leaves_every_file_byte_equal(workspace: Workspace) -> None:
    before = files(workspace)
    with pytest.raises(Exception, match="represent"):
        workspace.rewrite(lambda config: config.update({"paintshare:adopt": object()}))
    assert files(workspace) == before


def test_without_an_engine_the_message_says_where_to_get_it(workspace: Workspace, tmp_path: Path) -> None:
    before = files(workspace)
    bare = replace(workspace, env={"PATH": str(tmp_path / "empty")})
    with pytest.raises(OperationError, match="not on PATH"):
        bare.rewrite(nothing, secrets={"SENTRY_DSN": "x"})
    assert files(workspace) == before


def test_a_stack_without_a_file_is_named(workspace: Workspace) -> None:
    with pytest.raises(OperationError, match=r"Pulumi\.stagign\.yaml does not exist"):
        replace(workspace, stack="stagign").rewrite(nothing)


def test_the_draft_is_no_stack_file_to_anybody_else(workspace: Workspace) -> None:
    seen: list[str] = []
    workspace.rewrite(
        lambda _: seen.extend(s.stack for s in read_siblings(workspace.folder, "staging")),
        secrets={"SENTRY_DSN": "x"},
    )
    assert seen == ["production"]


def test_the_files_permissions_stay(workspace: Workspace) -> None:
    workspace.stack_file.chmod(0o640)
    workspace.rewrite(lambda config: config.update({"paintshare:battle": "off"}))
    assert workspace.stack_file.stat().st_mode & 0o777 == 0o640


# --- reading -----------------------------------------------------------------------------------------


def test_the_settings_are_read_as_the_program_would_read_them(workspace: Workspace) -> None:
    loaded = workspace.load()
    assert loaded.problems == ()
    assert loaded.settings.redirect_domains == ("www.share-paint.app",)
    assert loaded.settings.fingerprint_key.get_secret_value() == FINGERPRINT_KEY
    assert loaded.settings.encrypted == {"fingerprintKey"}
    assert [s.stack for s in loaded.settings.siblings] == ["production"]


def test_a_command_runs_in_the_workspaces_folder_whatever_the_environment_says(
    workspace: Workspace, calls: Calls
) -> None:
    # `PULUMI_OPTION_CWD` of an evaluated rehearsal would move it, and a live stack file would be read there.
    elsewhere = replace(workspace, env={**workspace.env, "PULUMI_OPTION_CWD": "/elsewhere"})
    assert elsewhere.load().settings.environment == "staging"
    assert all(call[:2] == ["-C", str(workspace.folder)] for call in calls())


def test_the_state_is_read_as_names_and_types_without_what_waits_for_deletion(workspace: Workspace) -> None:
    def resource(kind: str, name: str, **more: Any) -> dict[str, Any]:
        return {"urn": f"urn:pulumi:staging::paintshare::web${kind}::{name}", "type": kind, **more}

    state = {"deployment": {"resources": [resource("a:b:C", "kept"), resource("a:b:C", "old", delete=True)]}}
    (workspace.folder / "state.json").write_text(json.dumps(state))
    assert workspace.resources() == {"kept": "a:b:C"}


@pytest.mark.parametrize("state", ["{}", '{"deployment": null}', '{"deployment": {"resources": null}}'])
def test_before_the_first_up_nothing_is_in_the_state(workspace: Workspace, state: str) -> None:
    (workspace.folder / "state.json").write_text(state)
    assert workspace.resources() == {}


def test_a_failing_command_ends_in_its_last_words(workspace: Workspace) -> None:
    with pytest.raises(OperationError, match=r"unexpected: .*stack ls"):
        workspace.pulumi("stack", "ls", "--stack", "staging")
