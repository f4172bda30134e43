"""The Go/No-Go list (plan §2.3): what refuses, what cannot be checked and says so."""

from datetime import timedelta
from typing import Any

import pytest

from plan.promotion import (
    Line,
    added,
    ages_line,
    checks_line,
    destructive,
    health_line,
    migration_lines,
    restricting,
)
from plan.protection import Check
from tests.builders import TODAY, production

ACTIONS = {"id": 15368, "slug": "github-actions"}


@pytest.mark.parametrize(
    ("sql", "word"),
    [
        ("DROP TABLE rooms;", "drops"),
        ("alter table rooms drop column name;", "drops"),
        ("alter table rooms rename to battles;", "renames"),
        ("alter table rooms rename column a to b;", "renames"),
        ("alter table rooms alter column seats type bigint;", "changes a type"),
        ("alter table rooms alter column seats set data type bigint;", "changes a type"),
        ("alter table rooms alter column seats set not null;", "requires a value"),
        ("alter table rooms add column seats int not null;", "requires a value"),
        ("delete from rooms;", "deletes rows"),
        ("truncate rooms;", "deletes rows"),
        # COLUMN may be left out
        ("alter table rooms drop name;", "drops"),
        ("ALTER TABLE IF EXISTS ONLY public.rooms\n  DROP IF EXISTS name CASCADE;", "drops"),
        ('alter table "public"."rooms" drop "the name";', "drops"),
        ('alter table rooms drop "default";', "drops"),
        ("alter table rooms alter a drop not null, drop  b;", "drops"),
        ("alter table rooms add c int, drop b;", "drops"),
        ("alter table rooms drop constraint rooms_name_check;", "drops"),
        ("alter type seat drop attribute number;", "drops"),
        ("alter table rooms rename name to title;", "renames"),
        ('alter table rooms rename "the name" to title;', "renames"),
        ("alter table rooms set schema old;", "renames"),
        ('alter table rooms alter "the seats" type bigint;', "changes a type"),
        ("alter table rooms add seats int not null;", "requires a value"),
        (
            'alter table only "rooms" add if not exists "the seats" numeric(4, 1)  not  null;',
            "requires a value",
        ),
        ("alter table rooms add a int default 1, add b int not null;", "requires a value"),
        ("alter table rooms add column a int not null, add column b int default 1;", "requires a value"),
        ("alter table rooms add a int check (a > coalesce(b, 0)) not null;", "requires a value"),
        ("alter table rooms add id int primary key;", "requires a value"),
    ],
)
def test_a_statement_that_takes_something_away_is_named(sql: str, word: str) -> None:
    assert any(each.startswith(word) for each in destructive(sql))


@pytest.mark.parametrize(
    "sql",
    [
        "create table rooms (id int not null);",
        "alter table rooms add column seats int;",
        "alter table rooms add column seats int not null default 2;",
        "-- drop table rooms;\ncreate index on rooms (id);",
        "/* rename column */ select 1;",
        "alter table rooms add seats int;",
        "alter table rooms add seats int not null default 2;",
        "alter table rooms add seats int default 2 not null, add name text;",
        "alter table rooms add id bigserial primary key;",
        "alter table rooms add id int generated always as identity not null;",
        "alter table rooms add name text check (name is not null);",
        "alter table rooms alter a drop  default, alter column b drop not null, alter c drop identity;",
        "alter table rooms alter column a drop expression if exists;",
        "alter table rooms add constraint rooms_name check (name is not null) not valid;",
        "alter table rooms add primary key (id);",
        "alter table rooms add check (name is not null), add unique (name);",
        "alter table rooms add foreign key (owner) references users (id) on delete set null;",
        "alter table rooms enable row level security;",
        "alter table rooms validate constraint rooms_name;",
        "alter table rooms add a int; create table seats (id int not null);",
        "alter type state add value 'open';",
        "alter publication supabase_realtime add table rooms;",
    ],
)
def test_a_statement_that_only_adds_is_let_through(sql: str) -> None:
    assert destructive(sql) == ()


@pytest.mark.parametrize(
    "sql",
    [
        "alter table rooms add constraint rooms_name check (name <> '') not valid;",
        'alter table only "public"."rooms" add unique (name);',
        "alter table rooms add a int, add foreign key (owner) references users (id);",
        "create unique index concurrently if not exists rooms_name on public.rooms (name);",
    ],
)
def test_a_rule_that_rows_of_the_old_code_may_break_is_to_be_read_by_hand(sql: str) -> None:
    assert len(restricting(sql)) == 1
    assert restricting(f'create table if not exists public."rooms" (id int);{sql}') == ()
    line: Line = next(iter(migration_lines(compared(f"@@\n+{sql}"), True, "m.yml")))
    assert line.ok is None
    assert restricting(sql)[0] in line.evidence


def test_what_restricts_no_row_needs_nobody_to_read_it() -> None:
    for sql in ("alter table rooms add a int;", "create index rooms_name on rooms (name);"):
        assert restricting(sql) == ()
    assert restricting("-- alter table rooms add unique (name);") == ()


def compared(patch: str | None, status: str = "added", whole: str = "ahead") -> dict[str, Any]:
    file = {"filename": "supabase/migrations/1.sql", "status": status}
    return {"status": whole, "files": [file | ({"patch": patch} if patch else {})]}


def oks(lines: Any) -> list[bool | None]:
    return [line.ok for line in lines]


def test_migrations_are_read_and_their_run_is_asked_for() -> None:
    assert oks(migration_lines(compared("@@\n+drop table a;"), True, "m.yml")) == [False, True]
    assert oks(migration_lines(compared("@@\n-drop table a;\n+select 1;"), True, "m.yml")) == [True, True]
    assert oks(migration_lines(compared("@@\n+select 1;"), False, "m.yml")) == [True, False]
    assert oks(migration_lines(compared("@@\n+select 1;"), None, "")) == [True, None]
    assert oks(migration_lines(compared("@@", status="renamed"), True, "m.yml")) == [False, True]


@pytest.mark.parametrize("comparison", [None, compared("@@", whole="diverged"), compared(None)])
def test_what_cannot_be_read_is_said_aloud_and_does_not_refuse(comparison: dict[str, Any] | None) -> None:
    line: Line = next(iter(migration_lines(comparison, True, "m.yml")))
    assert line.ok is None
    assert line.evidence.startswith("not checked: ")


def test_added_lines_are_those_of_the_diff() -> None:
    assert added("+++ b/x\n@@\n+one\n-two\n three") == "one"


def test_a_red_a_running_and_a_missing_check_refuse_by_name() -> None:
    runs: list[dict[str, Any]] = [
        {"name": "lint", "status": "completed", "conclusion": "failure"},
        {"name": "test", "status": "in_progress", "conclusion": None},
    ]
    needed = [Check(name=name, app=15368) for name in ("lint", "test", "build")]
    line = checks_line(needed, [run | {"app": ACTIONS} for run in runs], "at 1111111")
    assert line.ok is False
    assert line.evidence == "lint failure, test in_progress; no run of build (at 1111111)"
    green = {"name": "lint", "status": "completed", "conclusion": "success", "app": ACTIONS}
    assert checks_line(needed[:1], [green], "at 1111111").ok


@pytest.mark.parametrize(
    ("app", "told"), [({"id": 9, "slug": "forger"}, "forger (9)"), (None, "unknown (no id)")]
)
def test_a_green_run_of_another_app_counts_for_nothing_and_is_told(
    app: dict[str, Any] | None, told: str
) -> None:
    """Neither in place of the run of the right app, nor over a red one of it."""
    needed = [Check(name="lint", app=15368)]
    forged = {"name": "lint", "status": "completed", "conclusion": "success", "app": app}
    alone = checks_line(needed, [forged], "at 1111111")
    assert alone.ok is False
    assert (
        alone.evidence
        == f"no run of lint; lint of app {told} does not count, it has to be of 15368 (at 1111111)"
    )
    over = checks_line(needed, [{**forged, "conclusion": "failure", "app": ACTIONS}, forged], "at 1111111")
    assert over.evidence == "lint failure (at 1111111)"


def test_a_key_past_90_days_refuses_and_one_of_89_does_not() -> None:
    for age, ok in ((89, True), (90, False)):
        file = production()
        file.set_secret("SENTRY_DSN", file.secrets["SENTRY_DSN"], on=TODAY - timedelta(days=age))
        assert ages_line(file.settings(), TODAY).ok is ok


def test_health_is_judged_by_the_minutes_that_are_asked_for() -> None:
    wanted = timedelta(minutes=30)
    assert health_line("web", "staging", timedelta(minutes=30), wanted).ok
    assert health_line("web", "staging", timedelta(minutes=29), wanted).ok is False
    assert health_line("web", "staging", timedelta(), wanted).ok is False
    assert health_line("web", "staging", timedelta(), timedelta()).ok


def test_what_is_not_healthy_is_refused_however_short_the_wait() -> None:
    assert health_line("web", "staging", None, timedelta()).ok is False
