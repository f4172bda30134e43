"""Names of accounts, branches and pages: another form finds nothing, or somebody else's."""

from typing import Any

import pytest

from plan.preflight.names import IN_HEADERS
from tests.builders import monitored, production, staging

REPOSITORY = ["paintshare/share-paint", "https://github.com/o/r", "share-paint.git", "share paint"]
WRONG: dict[str, list[str]] = {
    "githubOwner": ["@paintshare", "paintshare/x", "https://github.com/paintshare", "paint share", "-x"],
    "appRepository": REPOSITORY,
    "infraRepository": REPOSITORY,
    "vercelTeamSlug": ["Team", "team/x", "https://vercel.com/team", "@team", "a b", "team.*"],
    "vercelProjectName": ["Share-Paint", "team/share-paint", "https://share-paint.vercel.app", "-x"],
    "supabaseRef": ["https://abc.supabase.co", "abc.supabase.co", "ABC", "a/../b", "a b"],
    "branch": [
        "refs/heads/develop", "de velop", "-x", "/x", "x/", "a..b", "a~1", "a^", "a:b", "a*", "x.lock",
        "a@{1}", ".x", "a/.b", "a//b", "x.", "a\\b",
    ],
    "socketHost": [
        "ssh://ops@h -o x", "ssh://-oProxyCommand=x@h", "ssh://-h", "ssh://ops@-h", "ssh://ops:word@h",
        "ssh://ops@h:0", "ssh://ops@h:99999", "ssh://ops@", "ssh://", "tcp://h:0", "tcp://h:65536",
        "tcp://h", "tcp://user@h:2376", "unix:///", "unix:///a b", "tcp://h:2376 # x",
    ],
}  # fmt: skip
RIGHT: dict[str, list[str]] = {
    "githubOwner": ["PaintShare", "a", "my-org", "mona_company"],
    "appRepository": ["share.paint_2", ".github"],
    "vercelTeamSlug": ["paintshare", "team-2"],
    "vercelProjectName": ["share.paint_2"],
    "branch": ["feature/x", "origin/develop", "release-1.2", "a@b", "réf"],
    "socketHost": ["ssh://h", "ssh://ops@h:2222", "ssh://ops@10.0.0.1", "ssh://ops@[fe80::1]:22", "unix:///v/d.sock",
                   "ssh://ops@h/run/docker.sock"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, values in WRONG.items() for value in values]
)
def test_a_name_in_another_form_is_refused(key: str, value: str) -> None:
    found = {problem.key: problem for problem in staging(**{key: value}).check().problems}
    assert f"pulumi config set {key} " in found[key].fix


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, values in RIGHT.items() for value in values]
)
def test_a_name_in_its_form_is_taken(key: str, value: str) -> None:
    assert key not in {problem.key for problem in staging(**{key: value}).check().problems}


@pytest.mark.parametrize("user", ["a:b", "a b"])
def test_a_user_of_a_registry_has_no_colon(user: str) -> None:
    file = staging(registryUser=user)
    file.set_secret("REGISTRY_PASSWORD", "of-the-robot")
    assert "registryUser" in {problem.key for problem in file.check().problems}


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        *(({"smokePaths": ["/", page]}, "smokePaths[1]")
          for page in ("feed", "//evil.example/", "https://evil.example/", "/a b", "/\\evil", "/a#b")),
        *(({"tags": ["v*", tag]}, "tags[1]") for tag in ("refs/tags/v*", "a b", "-v*", "v^", "v:1")),
    ],
)  # fmt: skip
def test_pages_and_tags_are_those_of_this_site_and_repository(changes: dict[str, Any], path: str) -> None:
    found = {problem.key: problem for problem in production(**changes).check().problems}
    assert f"--path '{path}'" in found[path].fix
    assert path.replace("1", "0") not in found


@pytest.mark.parametrize("key", IN_HEADERS)
@pytest.mark.parametrize("value", ["pass\u20acword-c4n4ry", "p\u00e4ssword-c4n4ry", "\u65e5\u672c-c4n4ry"])
def test_what_no_header_can_hold_is_refused_by_its_key_and_without_the_value(key: str, value: str) -> None:
    file = monitored(production())
    file.set_secret(key, value)
    report = file.check()
    [problem] = [each for each in report.problems if each.key == key]
    assert problem.fix == f"python -m operations set {key} --stack production"
    assert "c4n4ry" not in report.error_text()


def test_a_password_of_ascii_is_taken_whatever_its_signs_are() -> None:
    file = monitored(production())
    file.set_secret("MONITOR_PASSWORD", "".join(chr(each) for each in range(0x21, 0x7F)))
    assert file.check().problems == ()
