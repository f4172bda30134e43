"""The receiver of alerts refuses what the real services refuse, and remembers the rest in order."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from rehearsal.receiver import Receiver, addresses

EMBED = {"content": "", "embeds": [{"title": "down", "description": "text", "color": 10038562}]}
ATTACHMENT = {"attachments": [{"title": "down", "text": "text", "fallback": "f", "color": "danger"}]}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        yield made


def post(url: str, body: Any, kind: str = "application/json") -> tuple[int, str]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": kind})  # noqa: S310  our own server
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  the same
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def event(**changes: Any) -> dict[str, Any]:
    return {
        "routing_key": "0" * 32, "event_action": "trigger", "dedup_key": "k",
        "payload": {"summary": "down", "source": "s", "severity": "critical"}, **changes,
    }  # fmt: skip


def test_each_service_accepts_its_own_shape_with_its_own_answer(receiver: Receiver) -> None:
    at = addresses(receiver.url)
    assert post(at["discord"], EMBED) == (204, "")
    assert post(at["slack"], ATTACHMENT) == (200, "ok")
    status, answer = post(at["pagerduty_url"], event())
    assert (status, json.loads(answer)["status"]) == (202, "success")
    assert post(at["watchdog"], {"status": "firing"}) == (200, "OK")
    assert [(one.number, one.channel, one.resolved) for one in receiver.messages()] == [
        (1, "discord", False), (2, "slack", False), (3, "pagerduty", False), (4, "watchdog", None),
    ]  # fmt: skip
    assert [one.at for one in receiver.messages()] == sorted(one.at for one in receiver.messages())


def test_a_resolved_message_is_told_from_a_firing_one(receiver: Receiver) -> None:
    at = addresses(receiver.url)
    post(at["discord"], {"embeds": [{"title": "up", "color": 3066993}]})
    post(at["slack"], {"attachments": [{"title": "up", "color": "good"}]})
    post(at["pagerduty_url"], event(event_action="resolve"))
    assert [one.resolved for one in receiver.messages()] == [True, True, True]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"content": "x" * 2001},
        {"embeds": [{"title": "x" * 257}]},
        {"embeds": [{"description": "x" * 4097}]},
        {"embeds": [{"title": "x"}] * 11},
        {"embeds": [{"description": "x" * 3001}] * 2},
        {"embeds": [{"title": "x", "color": 1 << 24}]},
        {"content": "", "embeds": [{"title": "", "description": ""}]},
        b"no json",
    ],
)
def test_discord_refuses_what_is_empty_or_too_long(receiver: Receiver, body: Any) -> None:
    status, answer = post(addresses(receiver.url)["discord"], body)
    assert status == 400
    assert "message" in json.loads(answer)
    assert [one.answered for one in receiver.messages()] == [400]


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({}, "no_text"),
        ({"attachments": []}, "no_text"),
        ({"attachments": [{"color": "good"}]}, "no_text"),
        ({"attachments": [{"text": "x"}] * 101}, "too_many_attachments"),
        (b"no json", "invalid_payload"),
    ],
)
def test_slack_refuses_with_its_word(receiver: Receiver, body: Any, word: str) -> None:
    assert post(addresses(receiver.url)["slack"], body) == (400, word)


@pytest.mark.parametrize(
    "changes",
    [
        {"routing_key": "short"},
        {"event_action": "page"},
        {"event_action": "resolve", "dedup_key": ""},
        {"dedup_key": "k" * 256},
        {"payload": {"summary": "", "source": "s", "severity": "critical"}},
        {"payload": {"summary": "x" * 1025, "source": "s", "severity": "critical"}},
        {"payload": {"summary": "x", "source": "", "severity": "critical"}},
        {"payload": {"summary": "x", "source": "s", "severity": "P1"}},
    ],
)
def test_pagerduty_refuses_an_invalid_event_and_says_why(receiver: Receiver, changes: dict[str, Any]) -> None:
    status, answer = post(addresses(receiver.url)["pagerduty_url"], event(**changes))
    assert status == 400
    assert json.loads(answer)["errors"]


def test_a_channel_answers_what_it_is_told_and_then_as_before(receiver: Receiver) -> None:
    at = addresses(receiver.url)
    receiver.answer("slack", 500)
    assert post(at["slack"], ATTACHMENT)[0] == 500
    assert post(at["discord"], EMBED)[0] == 204
    receiver.answer("slack", None)
    assert post(at["slack"], ATTACHMENT)[0] == 200
    assert [one.answered for one in receiver.messages("slack")] == [500, 200]


def test_a_shape_sent_to_the_wrong_address_is_not_found(receiver: Receiver) -> None:
    assert post(receiver.url + "/api/webhooks/1", EMBED)[0] == 404
    assert post(addresses(receiver.url)["discord"], EMBED, "text/plain")[0] == 415


def test_people_read_what_arrived_and_no_address_of_a_channel(receiver: Receiver) -> None:
    at = addresses(receiver.url)
    post(at["discord"], {"embeds": [{"title": "<b>down</b>", "color": 10038562}]})
    with urllib.request.urlopen(receiver.url, timeout=10) as answer:  # noqa: S310  our own server
        page = answer.read().decode()
    assert "&lt;b&gt;down&lt;/b&gt;" in page
    assert at["discord"].rsplit("/", 1)[1] not in page
