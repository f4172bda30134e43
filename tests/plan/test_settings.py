"""Settings: what Pulumi.yaml declares is what the program parses, and every fault is reported."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from plan import preflight
from plan.config import KNOWN_KEYS, Loaded, parse, read_siblings
from plan.problems import Problem
from plan.settings import FIELDS
from plan.variables import STACK_FILE_KEYS, secret_keys
from tests.builders import DECLARED, DEFAULTS, ROOT, TODAY, as_text, production, staging

ENGINE_TYPES = {"string", "integer", "boolean", "array", "object"}
CANARY = "canary-" + "5ecret" * 4


def problem(loaded: Loaded, key: str) -> Problem:
    [found] = [p for p in loaded.problems if p.key == key]
    return found


def test_pulumi_yaml_declares_exactly_the_keys_the_program_knows() -> None:
    assert set(DECLARED) == KNOWN_KEYS


@pytest.mark.parametrize("key", sorted(DECLARED))
def test_each_declared_key_has_a_type_a_description_and_a_default(key: str) -> None:
    spec = DECLARED[key]
    assert spec["type"] in ENGINE_TYPES
    assert len(spec["description"]) > 10
    # Without one the engine stops at the first missing key (hazard `one-error-at-a-time`).
    assert "default" in spec


@pytest.mark.parametrize("key", sorted(FIELDS))
def test_each_declared_default_is_read_without_a_fault_and_equals_the_models_own(key: str) -> None:
    loaded = parse("staging", {key: as_text(DEFAULTS[key])}, ())
    assert loaded.problems == ()
    if "REPLACE_ME" not in str(DEFAULTS[key]) and key not in {"appRepository", "infraRepository"}:
        bare = parse("staging", {}, ()).settings
        expected = "share-paint" if key == "vercelProjectName" else getattr(bare, FIELDS[key])
        assert getattr(loaded.settings, FIELDS[key]) == expected


@pytest.mark.parametrize("key", sorted(secret_keys() | {"fingerprintKey"}))
def test_each_secret_says_so_in_its_description(key: str) -> None:
    assert DECLARED[key]["description"].startswith("Secret")


@pytest.mark.parametrize("key", sorted(STACK_FILE_KEYS - secret_keys()))
def test_no_public_key_says_it_is_secret(key: str) -> None:
    assert DECLARED[key]["description"].startswith("Public")


@pytest.mark.parametrize("stack", ["staging", "production"])
def test_the_committed_stack_files_use_declared_keys_only(stack: str) -> None:
    content = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())
    assert set(content) == {"config"}
    assert {key.removeprefix("paintshare:") for key in content["config"]} <= set(DECLARED)


def test_an_unknown_key_is_a_problem_whose_fix_removes_it() -> None:
    found = problem(parse("staging", {"webDomian": "x"}, ()), "webDomian")
    assert "no key of this program" in found.text
    assert shlex.split(found.fix) == ["pulumi", "config", "rm", "webDomian", "--stack", "staging"]


@pytest.mark.parametrize("key", ["it's", "a b", "x;y"])
def test_the_fix_for_an_unknown_key_can_be_pasted_into_a_shell_whatever_the_key(key: str) -> None:
    found = problem(parse("staging", {key: "x"}, ()), key)
    assert shlex.split(found.fix) == ["pulumi", "config", "rm", key, "--stack", "staging"]


WRONG: dict[str, tuple[str, Any, str]] = {
    "text for a number": ("waitMinutes", "soon", "waitMinutes"),
    "number out of range": ("waitMinutes", 43_201, "waitMinutes"),
    "a port above the last": ("socketHttpsPort", 70_000, "socketHttpsPort"),
    "text for a switch": ("preview", "perhaps", "preview"),
    "text for a list": ("tags", "v*", "tags"),
    "map for a list": ("tags", {"a": "b"}, "tags"),
    "list for a map": ("adopt", ["x"], "adopt"),
    "a word outside the choice": ("githubPlan", "gold", "githubPlan"),
    "a target outside the choice": ("vercelTarget", "prod", "vercelTarget"),
    "a retention outside the choice": ("deploymentRetention", "5d", "deploymentRetention"),
    "wrong type in a list of maps": ("reviewers", [{"user": "a", "id": "one"}], "reviewers[0].id"),
    "unknown key in a list of maps": ("reviewers", [{"user": "a"}, {"usr": "b"}], "reviewers[1].usr"),
    "wrong type in a list": ("redirectDomains", ["a.example", 7], "redirectDomains[1]"),
    "map in a map of texts": ("adopt", {"web-project": {"id": 1}}, "adopt.web-project"),
    "missing key in a map of maps": ("rotation", {"KEY": {"date": "x"}}, "rotation.KEY"),
    "a name with dots": ("adopt", {"www.share-paint.app": 7}, 'adopt["www.share-paint.app"]'),
    "a name with a quote": ("adopt", {'a"[b': 7}, 'adopt["a\\"[b"]'),
    "a number too long to read": ("adopt", "9" * 5000, "adopt"),
    "lists too deep to read": ("adopt", "[" * 100_000, "adopt"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_type_names_the_place_and_leaves_the_default(case: str) -> None:
    key, value, place = WRONG[case]
    loaded = parse("staging", {key: as_text(value)}, ())
    found = problem(loaded, key)
    assert place in found.text + found.fix
    assert place in shlex.split(found.fix)
    assert ("--path" in found.fix) == (place != key)
    assert key in loaded.broken
    assert getattr(loaded.settings, FIELDS[key]) == getattr(parse("s", {}, ()).settings, FIELDS[key])


def test_a_broken_record_of_rotation_is_made_anew_by_the_verb_that_knows_its_hmac() -> None:
    found = problem(parse("staging", {"rotation": '{"SENTRY_DSN": {"date": "x"}}'}, ()), "rotation")
    assert found.fix == "python -m operations stamp SENTRY_DSN --stack staging"


def test_an_unknown_key_inside_a_map_is_removed_not_set() -> None:
    found = problem(parse("staging", {"reviewers": '[{"usr": "b"}]'}, ()), "reviewers")
    assert found.fix == "pulumi config rm --path 'reviewers[0].usr' --stack staging"


def test_several_faults_are_reported_in_one_go() -> None:
    raw = {"oops": "1", "waitMinutes": "x", "reviewers": '[{"id": "x"}, {"id": "y"}]', "preview": "maybe"}
    loaded = parse("staging", raw, ())
    assert sorted(p.key for p in loaded.problems) == [
        "oops",
        "preview",
        "reviewers",
        "reviewers",
        "waitMinutes",
    ]


def test_a_fault_in_one_key_does_not_keep_others_from_being_read() -> None:
    loaded = parse("staging", {"waitMinutes": "x", "webDomain": "a.example", "tags": '["v*"]'}, ())
    assert (loaded.settings.web_domain, loaded.settings.tags) == ("a.example", ("v*",))


def test_objects_are_read_from_the_engines_json_text() -> None:
    settings = production().settings()
    assert settings.reviewers[0].user == "mina-release"
    assert settings.vercel_project == {"automaticallyExposeSystemEnvironmentVariables": True}


def test_an_empty_value_counts_as_not_set() -> None:
    assert parse("staging", {"SENTRY_DSN": ""}, ()).settings.values == {}


def test_no_secret_is_visible_in_the_text_of_settings_or_problems() -> None:
    file = staging()
    for key in sorted(secret_keys()):
        file.set_secret(key, f"{CANARY}-{key}")
    file.secrets["fingerprintKey"] = CANARY + "-fingerprint"
    file.config["waitMinutes"] = "x"
    loaded = file.loaded(production())
    assert loaded.settings.values["SENTRY_DSN"].get_secret_value().startswith(CANARY)
    for text in (
        repr(loaded),
        str(loaded.settings),
        f"{loaded.settings!r}",
        loaded.settings.model_dump_json(),
    ):
        assert CANARY not in text


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        staging().settings().web_domain = "other.example"


# --- the other stacks' files -------------------------------------------------------------------------


def write_project(folder: Path) -> None:
    (folder / "Pulumi.yaml").write_text((ROOT / "Pulumi.yaml").read_text())
    production().write(folder)
    staging().write(folder)


def test_a_sibling_is_every_other_stack_file_with_the_defaults_of_pulumi_yaml(tmp_path: Path) -> None:
    write_project(tmp_path)
    [sibling] = read_siblings(tmp_path, "staging")
    assert sibling.stack == "production"
    assert sibling.stated["webDomain"] == "share-paint.app"
    assert sibling.stated["appRepository"] == "share-paint"
    assert set(sibling.hmacs or {}) == set(production().config["rotation"])


def test_the_siblings_of_these_tests_are_those_that_are_read_from_files(tmp_path: Path) -> None:
    write_project(tmp_path)
    file = production()
    file.write(tmp_path)
    assert read_siblings(tmp_path, "staging") == (file.sibling(),)


def test_a_siblings_secrets_are_not_taken_for_values(tmp_path: Path) -> None:
    write_project(tmp_path)
    [sibling] = read_siblings(tmp_path, "staging")
    assert "secure" not in str(sibling)


def test_a_sibling_without_records_says_that_its_hmacs_are_unknown(tmp_path: Path) -> None:
    write_project(tmp_path)
    (tmp_path / "Pulumi.production.yaml").write_text("config:\n  paintshare:webDomain: a.example\n")
    [sibling] = read_siblings(tmp_path, "staging")
    assert sibling.hmacs is None


@pytest.mark.parametrize("text", ["", "config:", "config: {rotation: 3}"])
def test_a_sibling_that_states_nothing_stops_nothing(tmp_path: Path, text: str) -> None:
    write_project(tmp_path)
    (tmp_path / "Pulumi.production.yaml").write_text(text)
    [sibling] = read_siblings(tmp_path, "staging")
    assert (sibling.stack, sibling.fault) == ("production", None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"config:\n  release: s3cret\n  b: 1\n  release: B\n", "line 4: release stands in line 2 already"),
        (b"a: b: c", "line 1: is no YAML"),
        (b"%YAML 1.3\n---\nconfig: {}\n", "no YAML"),
        (b"config:\n  ? &k release\n  : s3cret\n  *k : B\n", "a key stands there twice"),
        (b"[1]", "holds no map"),
        (b"config: 3", "holds no map"),
        (b"\0", "no YAML"),
        (b"config: \xff\xfe", "no UTF-8"),
    ],
)
def test_a_sibling_that_cannot_be_read_is_a_problem_with_its_line(
    tmp_path: Path, text: bytes, said: str
) -> None:
    # Else each rule that compares with it would pass: PyYAML takes the last of two equal keys.
    write_project(tmp_path)
    (tmp_path / "Pulumi.production.yaml").write_bytes(text)
    loaded = parse("staging", staging().raw(), staging().secrets, read_siblings(tmp_path, "staging"))
    [found] = [p for p in preflight.check(loaded, TODAY).problems if p.key == "Pulumi.production.yaml"]
    assert said in found.text
    assert "s3cret" not in found.text + found.fix
    assert found.fix.endswith("Pulumi.production.yaml")


def test_a_siblings_words_are_read_as_the_engine_reads_them(tmp_path: Path) -> None:
    write_project(tmp_path)
    text = "config: {battle: off, monitorHost: ~, supabaseRef: 4711, preview: true, adoptedOn: 2026-11-30}"
    (tmp_path / "Pulumi.production.yaml").write_text(text)
    stated = read_siblings(tmp_path, "staging")[0].stated
    wanted = {
        "battle": "off", "monitorHost": "", "supabaseRef": "4711", "preview": True, "adoptedOn": "2026-11-30",
    }  # fmt: skip
    assert {key: stated[key] for key in wanted} == wanted


@pytest.mark.parametrize("text", ["2026-11-30", "2026-11-30 00:00:00 +0000 UTC", "2026-11-30T08:00:00Z"])
def test_a_date_that_somebody_wrote_without_quotes_is_one_in_the_engines_form(text: str) -> None:
    rotation = json.dumps({"SENTRY_DSN": {"date": text, "hmac": "0"}})
    settings = parse("staging", {"adoptedOn": text, "rotation": rotation}, ()).settings
    assert (settings.adopted_on, settings.rotation["SENTRY_DSN"].date) == ("2026-11-30", "2026-11-30")


@pytest.mark.parametrize(
    ("key", "text", "value"), [("preview", "false", False), ("socketHttpPort", "8080", 8080)]
)
def test_what_pulumi_config_set_writes_as_text_is_read_by_its_type(
    tmp_path: Path, key: str, text: str, value: object
) -> None:
    # `pulumi config set preview false` writes "false", which as a text would count as true.
    write_project(tmp_path)
    production(**{key: text}).write(tmp_path)
    [sibling] = read_siblings(tmp_path, "staging")
    assert sibling.stated[key] == value


def test_a_sibling_that_leads_nowhere_is_a_problem(tmp_path: Path) -> None:
    write_project(tmp_path)
    (tmp_path / "Pulumi.gone.yaml").symlink_to("nowhere")
    [gone, production_] = read_siblings(tmp_path, "staging")
    assert (gone.stack, production_.stack) == ("gone", "production")
    assert gone.fault is not None
    assert "cannot be read" in gone.fault.text
