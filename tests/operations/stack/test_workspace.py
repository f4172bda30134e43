"""The stack file is replaced whole or not at all, and no secret stands in an argument."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from operations.stack.workspace import OperationError, Workspace
from plan.config import read_siblings
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
    assert config(workspace)["paintshare:SENTRY_DSN"]["secure"] == "v1:" + CANARY[::-1]  # the fake's cipher
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


# --- what the engine and other people write meanwhile ------------------------------------------------


def by_hand(workspace: Workspace, old: str, new: str) -> None:
    text = workspace.stack_file.read_text()
    assert old in text
    workspace.stack_file.write_text(text.replace(old, new))


@pytest.fixture
def as_an_editor_writes(workspace: Workspace) -> Workspace:
    """A stack file with scalars that the engine writes otherwise, and a blank line."""
    by_hand(
        workspace, "config:\n",
        "encryptionsalt: v1:old\nconfig:\n  paintshare:approvals: 2\n\n  paintshare:preview: true\n"
        "  paintshare:adoptedOn: 2026-11-30\n",
    )  # fmt: skip
    by_hand(workspace, '  paintshare:adoptedOn: "2026-01-01"\n', "")
    return workspace


def keep_a_year(config: dict[str, Any]) -> None:
    config["paintshare:deploymentRetention"] = "1y"


def test_a_secret_changes_its_own_lines_alone_whatever_else_the_engine_rewrites(
    as_an_editor_writes: Workspace,
) -> None:
    before = as_an_editor_writes.stack_file.read_text().splitlines()
    as_an_editor_writes.rewrite(nothing, secrets={"SENTRY_DSN": "x"})
    after = as_an_editor_writes.stack_file.read_text().splitlines()
    assert [line for line in after if line not in before] == [
        "  paintshare:SENTRY_DSN:",
        '    secure: "v1:x"',
    ]
    assert [line for line in before if line not in after] == []


def test_the_first_secret_brings_the_salt_it_was_encrypted_with(workspace: Workspace) -> None:
    workspace.rewrite(nothing, secrets={"SENTRY_DSN": "x"})
    assert yaml.safe_load(workspace.stack_file.read_text())["encryptionsalt"] == "v1:made"


def test_what_a_verb_did_not_touch_may_be_changed_meanwhile(as_an_editor_writes: Workspace) -> None:
    with as_an_editor_writes.draft(keep_a_year, {"MONITOR_PASSWORD": "x"}) as draft:
        by_hand(as_an_editor_writes, "approvals: 2", "approvals: 1")
        draft.land()
    landed = config(as_an_editor_writes)
    assert (landed["paintshare:approvals"], landed["paintshare:deploymentRetention"]) == (1, "1y")
    assert "secure" in landed["paintshare:MONITOR_PASSWORD"]


def test_another_form_of_the_same_value_is_no_change_of_either_side(as_an_editor_writes: Workspace) -> None:
    def write_again(config: dict[str, Any]) -> None:
        config |= {
            "paintshare:approvals": "2",
            "paintshare:preview": True,
            "paintshare:adoptedOn": "2026-11-30",
        }

    with as_an_editor_writes.draft(write_again) as draft:
        assert not draft.changes
    with as_an_editor_writes.draft(lambda config: config.update({"paintshare:approvals": 1})) as draft:
        by_hand(as_an_editor_writes, "approvals: 2", 'approvals: "2"')
        by_hand(as_an_editor_writes, "2026-11-30", "2026-11-30 00:00:00 +0000 UTC")
        draft.land()
    assert 'approvals: "1"\n' in as_an_editor_writes.stack_file.read_text()  # as the engine writes it


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [("approvals: 2", "approvals: 1", "approvals"), ("salt: v1:old", "salt: v1:new", "encryptionsalt")],
)
def test_the_same_key_or_another_passphrase_meanwhile_refuses_and_writes_nothing(
    as_an_editor_writes: Workspace, old: str, new: str, named: str
) -> None:
    mine = {"paintshare:approvals": 3}
    with as_an_editor_writes.draft(lambda config: config.update(mine), {"SENTRY_DSN": "x"}) as draft:
        by_hand(as_an_editor_writes, old, new)
        theirs = as_an_editor_writes.stack_file.read_text()
        with pytest.raises(OperationError, match=rf"changed by somebody else meanwhile \({named}\)"):
            draft.land()
    assert as_an_editor_writes.stack_file.read_text() == theirs


@pytest.mark.parametrize("text", ["", "config:\n", "encryptionsalt: v1:x\n"])
def test_a_stack_file_without_a_key_can_be_written_to(workspace: Workspace, text: str) -> None:
    workspace.stack_file.write_text(text)
    workspace.rewrite(keep_a_year)
    assert config(workspace) == {"paintshare:deploymentRetention": "1y"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("config:\n  a: s3cret\n  b: 1\n  a: s3cret\n", "line 4: a stands in line 2 already"),
        ("config:\n  c:\n    - d: s3cret\n      d: 2\n", "line 4: d stands in line 3 already"),
        ("config:\n  a: [s3cret\n", "line 3: is no YAML"),
        ("config:\n  a: *s3cret\n", "line 2: is no YAML"),
        ("config: s3cret\n", "holds no map"),
        ("config:\n  a: \x00s3cret\n", "is no YAML"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_its_line_and_no_value(
    workspace: Workspace, text: str, said: str
) -> None:
    workspace.stack_file.write_text(text)
    for read in (lambda: workspace.rewrite(nothing), workspace.stated):
        with pytest.raises(OperationError) as raised:
            read()
        assert said in str(raised.value)
        assert "Pulumi.staging.yaml" in str(raised.value)
        assert "s3cret" not in str(raised.value)


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
