"""The matrix says what the deployment plan's table (§3) says, and yields each store its variables."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plan.assignments import assignments, environments
from plan.fingerprints import fingerprint, fingerprint_all
from plan.rows import Class, Need, Source, Store
from plan.variables import MATRIX, row_of, secret_keys
from rehearsal import demo
from tests.builders import StackFile, production, staging

P, S, C = Class.PUBLIC, Class.SECRET, Class.CONFIG
R, O, X, V = Need.REQUIRED, Need.OPTIONAL, Need.REFUSED, Need.PLATFORM  # noqa: E741  as the plan's table marks them
VERCEL, SOCKET, GITHUB, MONITOR = Store.VERCEL, Store.SOCKET, Store.GITHUB, Store.MONITOR

# The plan's §3, row by row: key -> class, Preview, staging and production, where it is stored.
PLAN_TABLE: dict[str, tuple[Class, Need, Need, set[Store]]] = {
    "NEXT_PUBLIC_SUPABASE_URL": (P, R, R, {VERCEL}),
    "NEXT_PUBLIC_SUPABASE_ANON_KEY": (P, R, R, {VERCEL}),
    "SUPABASE_SERVICE_ROLE_KEY": (S, O, R, {VERCEL, SOCKET}),
    "SUPABASE_URL": (C, R, R, {SOCKET}),
    "NEXT_PUBLIC_APP_URL": (P, V, R, {VERCEL}),
    "NEXT_PUBLIC_SOCKET_URL": (P, R, R, {VERCEL}),
    "CLIENT_URL": (C, R, R, {SOCKET}),
    "BATTLE_PASSWORD_PEPPER": (S, R, R, {VERCEL, SOCKET}),
    "SENTRY_DSN": (S, O, R, {VERCEL, SOCKET}),
    "NEXT_PUBLIC_SENTRY_DSN": (P, O, R, {VERCEL}),
    "SLACK_WEBHOOK_URL": (S, X, O, {GITHUB, MONITOR}),
}
# What the plan's table does not name: its own alternative for paging, and what the program needs.
PROGRAM_TABLE: dict[str, tuple[Class, Need, Need, set[Store]]] = {
    "PAGERDUTY_KEY": (S, X, O, {GITHUB, MONITOR}),
    "BATTLE_PASSWORD_PEPPER_PREVIOUS": (S, Need.SHARED, O, {VERCEL, SOCKET}),
    "EDGE_CONFIG": (S, R, R, {VERCEL, SOCKET}),
    "DISCORD_WEBHOOK_URL": (S, X, O, {MONITOR}),
    "SUPABASE_METRICS_KEY": (S, X, O, {MONITOR}),
    "WATCHDOG_URL": (S, X, O, {MONITOR}),
    "MONITOR_PASSWORD": (S, X, O, {MONITOR}),
    "VERCEL_PROTECTION_BYPASS": (S, X, O, {MONITOR}),
    "VERCEL_ALERTS_WEBHOOK_URL": (S, X, O, {MONITOR}),
    "REGISTRY_PASSWORD": (S, X, O, {Store.PROGRAM}),
    "SOCKET_HOST_KEY": (S, X, O, {Store.PROGRAM}),
    "MONITOR_HOST_KEY": (S, X, O, {Store.PROGRAM}),
}
TABLE = PLAN_TABLE | PROGRAM_TABLE
# Stored there besides, because a workflow checks the deployed URLs.
ALSO = {"NEXT_PUBLIC_APP_URL": {GITHUB}, "NEXT_PUBLIC_SOCKET_URL": {GITHUB}}

DERIVED = {
    "NEXT_PUBLIC_SUPABASE_URL", "SUPABASE_URL", "NEXT_PUBLIC_APP_URL", "NEXT_PUBLIC_SOCKET_URL", "CLIENT_URL",
}  # fmt: skip
WEB_REQUIRED = {
    "NEXT_PUBLIC_SUPABASE_URL", "NEXT_PUBLIC_SUPABASE_ANON_KEY", "SUPABASE_SERVICE_ROLE_KEY",
    "NEXT_PUBLIC_APP_URL", "NEXT_PUBLIC_SOCKET_URL", "BATTLE_PASSWORD_PEPPER", "SENTRY_DSN",
    "NEXT_PUBLIC_SENTRY_DSN", "EDGE_CONFIG",
}  # fmt: skip


def values(file: StackFile, store: Store, environment: str) -> dict[str, str | None]:
    return {a.row.key: a.value for a in assignments(file.settings(), store) if a.environment == environment}


def test_the_matrix_holds_the_plans_eleven_keys_in_the_plans_order() -> None:
    assert [row.key for row in MATRIX[:11]] == list(PLAN_TABLE)


@pytest.mark.parametrize("key", TABLE)
def test_each_key_has_the_class_needs_and_stores_of_the_table(key: str) -> None:
    [row] = [row for row in MATRIX if row.key == key]
    kind, preview, stack, stores = TABLE[key]
    assert (row.kind, row.preview, row.stack) == (kind, preview, stack)
    assert set(row.stores) == stores | ALSO.get(key, set())


def test_slack_or_pagerduty_is_one_choice() -> None:
    assert {row.key for row in MATRIX if row.one_of == "paging"} == {"SLACK_WEBHOOK_URL", "PAGERDUTY_KEY"}
    assert all(row.stack is Need.OPTIONAL for row in MATRIX if row.one_of)


def test_the_programs_own_keys_are_marked_as_not_the_plans() -> None:
    assert {row.key for row in MATRIX if not row.plan} == set(PROGRAM_TABLE) - {"PAGERDUTY_KEY"}
    assert {row.key for row in MATRIX} == set(TABLE)


def test_no_key_stands_in_the_matrix_twice() -> None:
    assert len({row.key for row in MATRIX}) == len(MATRIX)


def test_each_value_has_one_source() -> None:
    by_source = {source: {r.key for r in MATRIX if r.source is source} for source in Source}
    assert by_source[Source.DERIVED] == DERIVED
    assert by_source[Source.RESOURCE] == {"EDGE_CONFIG"}
    assert not any(row.derive and row.from_resource for row in MATRIX)


@pytest.mark.parametrize("key", [row.key for row in MATRIX if row.key.startswith("NEXT_PUBLIC_")])
def test_what_the_browser_bundle_holds_is_public(key: str) -> None:
    assert next(row.kind for row in MATRIX if row.key == key) is Class.PUBLIC


def test_only_optional_keys_of_preview_have_a_stack_file_key_of_their_own() -> None:
    own = {key for row in MATRIX for key in row.stack_file_keys if key.startswith("PREVIEW_")}
    assert own == {
        "PREVIEW_SUPABASE_SERVICE_ROLE_KEY", "PREVIEW_SENTRY_DSN", "PREVIEW_NEXT_PUBLIC_SENTRY_DSN",
    }  # fmt: skip


def test_a_stack_file_key_leads_to_its_row_with_and_without_the_preview_prefix() -> None:
    assert row_of("PREVIEW_SENTRY_DSN") is row_of("SENTRY_DSN")
    for key in ("CLIENT_URL", "EDGE_CONFIG", "PREVIEW_BATTLE_PASSWORD_PEPPER", "nonsense"):
        with pytest.raises(KeyError):
            row_of(key)


def test_the_preview_key_of_a_secret_is_a_secret_and_of_a_public_key_is_not() -> None:
    assert "PREVIEW_SENTRY_DSN" in secret_keys()
    assert "PREVIEW_NEXT_PUBLIC_SENTRY_DSN" not in secret_keys()


# --- who gets what -----------------------------------------------------------------------------------


def test_preview_belongs_to_staging_alone() -> None:
    assert environments(staging().settings()) == ("staging", "preview")
    assert environments(production().settings()) == ("production",)


@pytest.mark.parametrize("file", [staging(), production()], ids=lambda f: f.stack)
def test_the_stacks_own_environment_gets_every_required_key_at_vercel(file: StackFile) -> None:
    assert set(values(file, VERCEL, file.stack)) == WEB_REQUIRED


def test_preview_gets_the_shared_keys_and_none_that_is_optional_refused_or_vercels_own() -> None:
    assert set(values(staging(), VERCEL, "preview")) == {
        "NEXT_PUBLIC_SUPABASE_URL", "NEXT_PUBLIC_SUPABASE_ANON_KEY", "NEXT_PUBLIC_SOCKET_URL",
        "BATTLE_PASSWORD_PEPPER", "EDGE_CONFIG",
    }  # fmt: skip


def test_preview_shares_the_data_of_staging() -> None:
    own, preview = (
        values(staging_file := staging(), VERCEL, "staging"),
        values(staging_file, VERCEL, "preview"),
    )
    assert demo.SUPABASE_REF["staging"] in str(preview["NEXT_PUBLIC_SUPABASE_URL"])
    for key in preview:
        assert preview[key] == own[key]


@pytest.mark.parametrize("key", ["SENTRY_DSN", "SUPABASE_SERVICE_ROLE_KEY"])
def test_preview_gets_an_optional_secret_only_under_its_own_key(key: str) -> None:
    file = staging()
    assert key not in values(file, VERCEL, "preview")
    file.set_secret("PREVIEW_" + key, "https://own.example")
    assert values(file, VERCEL, "preview")[key] == "https://own.example"
    assert values(file, VERCEL, "staging")[key] == file.secrets[key]


def test_preview_gets_an_optional_public_value_only_under_its_own_key() -> None:
    file = staging(PREVIEW_NEXT_PUBLIC_SENTRY_DSN="https://own.example")
    assert values(file, VERCEL, "preview")["NEXT_PUBLIC_SENTRY_DSN"] == "https://own.example"


def test_the_socket_host_gets_its_keys_once_and_none_for_preview() -> None:
    found = list(assignments(staging().settings(), SOCKET))
    assert {a.environment for a in found} == {"staging"}
    assert {a.row.key for a in found} == {
        "SUPABASE_SERVICE_ROLE_KEY", "SUPABASE_URL", "CLIENT_URL", "BATTLE_PASSWORD_PEPPER", "SENTRY_DSN",
        "EDGE_CONFIG",
    }  # fmt: skip


def test_the_monitor_gets_the_alert_channels_that_are_set() -> None:
    file = production()
    assert set(values(file, MONITOR, "production")) == {
        "SLACK_WEBHOOK_URL", "DISCORD_WEBHOOK_URL", "WATCHDOG_URL", "MONITOR_PASSWORD",
        "VERCEL_ALERTS_WEBHOOK_URL",
    }  # fmt: skip
    file.set_secret("PAGERDUTY_KEY", "pd")
    assert set(values(file, MONITOR, "production")) > {"PAGERDUTY_KEY"}
    assert {a.environment for a in assignments(staging().settings(), MONITOR)} == {"staging"}


def test_github_gets_the_pager_secret_and_the_urls_that_workflows_check() -> None:
    urls = {"NEXT_PUBLIC_APP_URL", "NEXT_PUBLIC_SOCKET_URL"}
    assert set(values(staging(), GITHUB, "staging")) == urls | {"SLACK_WEBHOOK_URL"}
    assert set(values(staging(), GITHUB, "preview")) == {"NEXT_PUBLIC_SOCKET_URL"}


def test_what_a_resource_makes_has_no_value_yet_and_everything_else_has_one() -> None:
    for store in Store:
        for assignment in assignments(staging().settings(), store):
            assert (assignment.value is None) == (assignment.row.key == "EDGE_CONFIG")


def test_an_assignment_is_secret_when_its_row_is() -> None:
    secret = {a.row.key for a in assignments(staging().settings(), VERCEL) if a.secret}
    assert secret == {"SUPABASE_SERVICE_ROLE_KEY", "BATTLE_PASSWORD_PEPPER", "SENTRY_DSN", "EDGE_CONFIG"}


# --- derived values ----------------------------------------------------------------------------------


def test_urls_are_derived_from_domains_and_the_supabase_reference() -> None:
    file = production(socketHttpsPort=443)
    web, socket = values(file, VERCEL, "production"), values(file, SOCKET, "production")
    assert web["NEXT_PUBLIC_APP_URL"] == "https://share-paint.app"
    assert web["NEXT_PUBLIC_SOCKET_URL"] == "https://socket.share-paint.app"
    assert web["NEXT_PUBLIC_SUPABASE_URL"] == f"https://{demo.SUPABASE_REF['production']}.supabase.co"
    assert socket["SUPABASE_URL"] == web["NEXT_PUBLIC_SUPABASE_URL"]


def test_the_socket_url_names_its_port_when_it_is_not_443() -> None:
    found = values(staging(socketTls="acme", socketHttpsPort=8444), VERCEL, "staging")
    assert found["NEXT_PUBLIC_SOCKET_URL"] == "https://socket-staging.share-paint.app:8444"


def test_the_socket_url_is_of_plain_http_where_the_proxy_has_no_tls() -> None:
    found = values(staging(socketTls="off", socketHttpPort=8081), VERCEL, "staging")
    assert found["NEXT_PUBLIC_SOCKET_URL"] == "http://socket-staging.share-paint.app:8081"


def test_preview_talks_to_the_socket_server_of_staging() -> None:
    file = staging()
    for store in (VERCEL, GITHUB):
        own, preview = values(file, store, "staging"), values(file, store, "preview")
        assert preview["NEXT_PUBLIC_SOCKET_URL"] == own["NEXT_PUBLIC_SOCKET_URL"]


def test_production_admits_its_own_origin_only() -> None:
    assert values(production(), SOCKET, "production")["CLIENT_URL"] == "https://share-paint.app"


def preview_pattern(file: StackFile) -> re.Pattern[str]:
    origin, pattern = str(values(file, SOCKET, "staging")["CLIENT_URL"]).split(",")
    assert origin == "https://staging.share-paint.app"
    return re.compile(pattern)


@pytest.mark.parametrize(
    "url",
    [
        "https://share-paint-git-feature-x-paintshare-demo.vercel.app",
        "https://share-paint-git-develop-paintshare-demo.vercel.app",
        "https://share-paint-1a2b3c4d5-paintshare-demo.vercel.app",
    ],
)
def test_the_socket_server_of_staging_admits_this_projects_preview_urls(url: str) -> None:
    # `search`, as an unanchored match in JavaScript would do: the pattern must carry its own anchors.
    assert preview_pattern(staging()).search(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://share-paint-git-x-paintshare-demo.vercel.app",
        "https://share-paint-git-x-paintshare-demo.vercel.app.evil.example",
        "https://share-paint-git-x-paintshare-demo.vercel.app:8443",
        "https://share-paint-git-x-paintshare-demo.vercel.app/",
        "https://evil.example/https://share-paint-git-x-paintshare-demo.vercel.app",
        "https://share-paint-git-x-another-team.vercel.app",
        "https://other-project-git-x-paintshare-demo.vercel.app",
        "https://share-paint-git-x-paintshare-demoXvercel.app",
        "https://share-paint-git-a.b-paintshare-demo.vercel.app",
        "https://share-paint-1a2b3c4d-paintshare-demo.vercel.app",
        "https://share-paint-paintshare-demo.vercel.app",
        "https://share-paint.app",
    ],
)
def test_the_socket_server_of_staging_admits_no_foreign_url(url: str) -> None:
    assert not preview_pattern(staging()).search(url)


def test_a_dot_in_the_projects_name_stands_for_itself_in_the_pattern() -> None:
    pattern = preview_pattern(staging(vercelProjectName="share.paint"))
    assert pattern.search("https://share.paint-git-x-paintshare-demo.vercel.app")
    assert not pattern.search("https://sharexpaint-git-x-paintshare-demo.vercel.app")


# --- fingerprints ------------------------------------------------------------------------------------

TEXTS = st.text(max_size=20)


@given(TEXTS, TEXTS, TEXTS, TEXTS)
def test_a_fingerprint_is_equal_for_equal_values_and_differs_otherwise(
    k1: str, v1: str, k2: str, v2: str
) -> None:
    # HMAC pads its key with zero bytes, so keys that differ in those alone are one key.
    k1, k2 = k1.rstrip("\0"), k2.rstrip("\0")
    assert (fingerprint(k1, v1) == fingerprint(k2, v2)) == ((k1, v1) == (k2, v2))


def test_a_fingerprint_shows_neither_value_nor_key() -> None:
    assert re.fullmatch(r"[0-9a-f]{32}", fingerprint("the-key", "the-value"))


Pairs = list[tuple[str, str]]
PAIRS = st.lists(st.tuples(TEXTS, TEXTS), max_size=4)


@given(PAIRS.flatmap(lambda pairs: st.tuples(st.just(pairs), st.permutations(pairs))))
def test_the_fingerprint_of_many_values_ignores_their_order(both: tuple[Pairs, Pairs]) -> None:
    pairs, shuffled = both
    assert fingerprint_all("k", pairs) == fingerprint_all("k", shuffled)


@given(PAIRS, PAIRS)
def test_the_fingerprint_of_many_values_ignores_nothing_but_their_order(a: Pairs, b: Pairs) -> None:
    assert (fingerprint_all("k", a) == fingerprint_all("k", b)) == (sorted(a) == sorted(b))


def test_a_value_that_looks_like_two_variables_has_a_fingerprint_of_its_own() -> None:
    assert fingerprint_all("k", {"A": "1\0B\x012"}) != fingerprint_all("k", {"A": "1", "B": "2"})


def test_the_fingerprint_of_a_map_is_that_of_its_pairs() -> None:
    assert fingerprint_all("k", {"A": "1", "B": "2"}) == fingerprint_all("k", [("B", "2"), ("A", "1")])
