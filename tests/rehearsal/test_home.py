"""The rehearsal's home: what it holds, what it keeps to itself, and that plain commands work in it."""

import os
import stat
import subprocess
from pathlib import Path

import pytest
import yaml

from operations.services.monitor import ADDRESS_VARIABLE
from rehearsal import home, reset
from rehearsal.home import engines
from tests.harness import RehearsalHome

AWKWARD = """it's a "100 %" $HOME `id` \\n value"""


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_plain_config_set_edits_the_homes_stack_file_and_not_the_committed_one(
    rehearsal_home: RehearsalHome,
) -> None:
    committed = (home.CLONE / "Pulumi.staging.yaml").read_bytes()
    rehearsal_home.pulumi("config", "set", "battle", "off", "-s", "staging").ok()
    assert rehearsal_home.config("staging", "battle") == "off"
    assert (home.CLONE / "Pulumi.staging.yaml").read_bytes() == committed


def test_a_secret_with_quotes_percent_and_dollar_signs_comes_back_as_it_was_set(
    rehearsal_home: RehearsalHome,
) -> None:
    rehearsal_home.set_config("staging", "BATTLE_PASSWORD_PEPPER", AWKWARD, secret=True)
    assert rehearsal_home.config("staging", "BATTLE_PASSWORD_PEPPER") == AWKWARD
    assert AWKWARD not in rehearsal_home.home.stack_file("staging").read_text()


def test_every_generated_secret_is_encrypted_and_in_no_file_in_the_clear(
    rehearsal_home: RehearsalHome,
) -> None:
    content = yaml.safe_load(rehearsal_home.home.stack_file("production").read_text())["config"]
    encrypted = [key for key, value in content.items() if isinstance(value, dict) and "secure" in value]
    assert "paintshare:BATTLE_PASSWORD_PEPPER" in encrypted
    values = [rehearsal_home.config("production", key) for key in encrypted]
    files = [
        path for path in rehearsal_home.folder.rglob("*") if path.is_file() and ".venv" not in path.parts
    ]
    for path in files:
        text = path.read_bytes()
        assert not [value for value in values if value.encode() in text], path


def test_the_stacks_share_the_fingerprint_key_and_no_other_secret(rehearsal_home: RehearsalHome) -> None:
    def value(stack: str, key: str) -> str:
        return rehearsal_home.config(stack, key)

    assert value("staging", "fingerprintKey") == value("production", "fingerprintKey")
    assert value("staging", "BATTLE_PASSWORD_PEPPER") != value("production", "BATTLE_PASSWORD_PEPPER")


def test_only_the_owner_can_read_the_home_and_the_passphrase_is_in_no_variable(
    rehearsal_home: RehearsalHome,
) -> None:
    assert mode(rehearsal_home.folder) == 0o700
    assert mode(rehearsal_home.folder / "passphrase") == 0o600
    passphrase = (rehearsal_home.folder / "passphrase").read_text()
    assert len(passphrase) >= 32
    assert passphrase not in rehearsal_home.home.script()


def test_the_environment_says_where_the_monitors_are_which_no_dns_server_knows(
    rehearsal_home: RehearsalHome,
) -> None:
    said = rehearsal_home.home.variables()[ADDRESS_VARIABLE]
    assert said == engines(rehearsal_home.folder)[1].address


def test_the_project_file_is_the_committed_one_with_another_main(rehearsal_home: RehearsalHome) -> None:
    generated = yaml.safe_load((rehearsal_home.folder / "Pulumi.yaml").read_text())
    main = generated.pop("main")
    assert (rehearsal_home.folder / main).resolve() == home.CLONE
    assert generated == yaml.safe_load((home.CLONE / "Pulumi.yaml").read_text())


def test_the_users_own_passphrase_and_tokens_do_not_reach_a_command(
    rehearsal_home: RehearsalHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "passphrase-of-a-person")
    monkeypatch.setenv("GITHUB_TOKEN", "ghp_of-a-person")
    monkeypatch.setenv("VERCEL_API_TOKEN", "vercel-token-of-a-person")
    shown = rehearsal_home.run("env").ok().stdout
    assert "of-a-person" not in shown
    assert rehearsal_home.config("staging", "SLACK_WEBHOOK_URL").startswith("http://hooks.example:")


def test_a_provider_plugin_on_the_users_path_is_not_used(
    adopted_home: RehearsalHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = tmp_path / "used"
    for service in home.STAND_INS:
        plugin = tmp_path / f"pulumi-resource-{service}"
        plugin.write_text(f"#!/bin/sh\ntouch {used}\nexit 1\n")
        plugin.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert adopted_home.preview_json("staging")["steps"]
    assert not used.exists()


def test_the_printed_environment_survives_a_shell_and_a_folder_with_awkward_characters(
    rehearsal_home: RehearsalHome, tmp_path: Path
) -> None:
    moved = rehearsal_home.copy(tmp_path / "it's a $HOME folder")
    shown = subprocess.run(
        ["/bin/sh", "-c", f"{moved.home.script()}\npulumi stack ls --json && pulumi config -s staging"],
        capture_output=True, text=True, check=False, cwd=home.CLONE,
        env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
    )  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    assert '"name": "production"' in shown.stdout
    assert "webDomain" in shown.stdout


def test_making_a_ready_home_ready_again_changes_no_file(rehearsal_home: RehearsalHome) -> None:
    def seen() -> dict[Path, int]:
        return {path: path.lstat().st_mtime_ns for path in rehearsal_home.folder.rglob("*")}

    home.ensure(rehearsal_home.folder)  # makes the lock file that a copy does not have
    before = seen()
    home.ensure(rehearsal_home.folder)
    assert seen() == before


def test_an_interrupted_set_up_starts_anew_and_ends_ready(rehearsal_home: RehearsalHome) -> None:
    (rehearsal_home.folder / "ready").unlink()
    passphrase = (rehearsal_home.folder / "passphrase").read_text()
    rehearsal_home.home.stack_file("production").unlink()
    home.ensure(rehearsal_home.folder)
    assert (rehearsal_home.folder / "passphrase").read_text() != passphrase
    assert rehearsal_home.config("production", "environment") == "production"
    assert rehearsal_home.account("vercel").dump()["project"]


def test_a_copy_shares_nothing_with_its_source(rehearsal_home: RehearsalHome, tmp_path: Path) -> None:
    source = rehearsal_home.config("staging", "webDomain")
    copied = rehearsal_home.copy(tmp_path / "copy")
    copied.set_config("staging", "webDomain", "other.example")
    copied.account("vercel").put("team", "team_other", {})
    copied.close()
    assert rehearsal_home.config("staging", "webDomain") == source
    assert "team_other" not in rehearsal_home.account("vercel").dump()["team"]


def test_a_folder_with_other_content_is_neither_used_nor_removed(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(home.HomeError, match="holds something else"):
        home.ensure(tmp_path)
    with pytest.raises(home.HomeError, match="not made by the rehearsal"):
        reset.remove(tmp_path)
    assert (tmp_path / "letter.txt").read_text() == "mine"


def test_removing_a_home_removes_all_of_it(rehearsal_home: RehearsalHome) -> None:
    assert reset.remove(rehearsal_home.folder)
    assert not rehearsal_home.folder.exists()
    assert not reset.remove(rehearsal_home.folder)


def test_a_link_to_a_home_is_not_removed(rehearsal_home: RehearsalHome, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(rehearsal_home.folder)
    with pytest.raises(home.HomeError):
        reset.remove(link)
    assert rehearsal_home.folder.exists()


def test_a_missing_sdk_is_named_with_the_command_that_installs_it(
    rehearsal_home: RehearsalHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(home.STAND_INS, "vercel", "no_such_package")
    with pytest.raises(home.HomeError, match=r"no_such_package.*make install"):
        home.ensure(rehearsal_home.folder)


def test_secrets_are_never_arguments_of_a_process(
    tmp_path: Path, engine: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every pulumi command of a set-up goes through a recorder that writes down its arguments."""
    del engine
    seen: list[list[str]] = []
    run = subprocess.run

    def recording(command: list[str], *args: object, **kwargs: object) -> object:
        seen.append([str(part) for part in command])
        return run(command, *args, **kwargs)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "run", recording)
    made = RehearsalHome(home.ensure(tmp_path / "home"))
    monkeypatch.undo()
    assert [command for command in seen if "--secret" in command]
    words = {word for command in seen for word in command}
    for stack in home.STACKS:
        for key in ("BATTLE_PASSWORD_PEPPER", "fingerprintKey", "SUPABASE_SERVICE_ROLE_KEY"):
            assert made.config(stack, key) not in words
