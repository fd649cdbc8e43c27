"""The verdict on a client: each careless one is caught by name, with the requests that show it; careful ones pass."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx
import pytest

from chatproof.fake_providers.journal.assertions import Assertions
from chatproof.fake_providers.journal.client_faults import ClientFault, ClientLimits, Observed
from chatproof.fake_providers.journal.control_client_sync import FakesSync
from chatproof.fake_providers.journal.entry import Ended, Entry, JournalWrite
from chatproof.fake_providers.journal.resilience import RULES, judge
from chatproof.fake_providers.journal.tries import advised_wait, tries_in
from chatproof.fake_providers.testing.inprocess import InProcess
from chatproof.fake_providers.testing.threaded import ThreadedServer
from tests.fake_providers.careless_clients import (
    Blind,
    Careful,
    Careless,
    Crowd,
    Deaf,
    Endless,
    Gullible,
    Hasty,
    Hoarder,
    Patient,
    Stubborn,
)
from tests.timing import timed

FAILS = 'about = "x"\n[[steps]]\nfault = "status"\nstatus = '
SCRIPTS = {
    "wait": f"{FAILS}429\nretry_after_s = 0.4",
    "wait-ms": f"{FAILS}503\nretry_after_ms = 400",
    "stop": f"{FAILS}500\nshould_retry = false",
    "down": f"{FAILS}503",
    "no-key": f"{FAILS}401",
    "wrong": f"{FAILS}400",
    "late": 'about = "x"\n[timing]\nfirst_token_ms = 200\n[[steps]]\ntext = "Late."',
    "down-then-slow": 'about = "x"\nsequence = ["down", "late"]',
}


C = TypeVar("C", bound=Careless)


@dataclass
class World:
    """The fakes, in this process or served: `url`, and the journal."""

    url: str
    journal: Assertions
    fakes: Any
    clients: list[Careless] = field(default_factory=list)

    def client(self, kind: type[C], **options: Any) -> C:
        self.clients.append(made := kind(self.url, **options))
        return made


@pytest.fixture(scope="module")
def server() -> Iterator[ThreadedServer]:
    with ThreadedServer() as running:
        for name, toml in SCRIPTS.items():
            running.script(name, toml)
        yield running


@contextmanager
def opened(how: str, server: ThreadedServer) -> Iterator[World]:
    if how == "in process":
        with InProcess("openai") as fakes:
            for name, toml in SCRIPTS.items():
                fakes.script(name, toml)
            yield World(fakes.url, fakes.journal, fakes)
        return
    with FakesSync(server.url) as client:
        client.clear()
        yield World(server.url, server.journal if how == "served" else client, server)


@pytest.fixture(params=["in process", "served", "over HTTP"])
def world(request: pytest.FixtureRequest, server: ThreadedServer) -> Iterator[World]:
    with opened(request.param, server) as made:
        yield made
        for client in made.clients:
            client.close()


ASKS: list[tuple[type[Careless], str, ClientFault, str]] = [
    (Deaf, "wait", "retry-after-ignored", r"#2 came \d+ ms after the 429 of #1, which said retry-after: 0.4$"),
    (Deaf, "wait-ms", "retry-after-ignored", r"#2 came \d+ ms after the 503 of #1, which said retry-after-ms: 400$"),
    (Stubborn, "stop", "retried-against-advice", r"#2 repeats #1, whose answer \(500\) said x-should-retry: false$"),
    (Hasty, "down", "retry-storm", r"#2 and #3 repeat #1 without a back-off: they came \d+ ms and \d+ ms after"),
    (Endless, "down", "retry-storm", r"#1 was repeated 7 times in "),
    (Crowd, "down-then-slow", "retry-storm", r"4 equal requests of case c were open at once: #2, #3, #4, #5$"),
    (Blind, "no-key", "refusal-retried", r"#2 repeats #1 unchanged \d+ ms after its 401$"),
    (Blind, "wrong", "refusal-retried", r"#2 repeats #1 unchanged \d+ ms after its 400$"),
]


def renumbered(text: str, entries: list[Entry]) -> str:
    """The text with these requests counted from 1."""
    numbers = {str(entry.id): number for number, entry in enumerate(entries, start=1)}
    return re.sub(r"#(\d+)", lambda match: f"#{numbers[match[1]]}", text)


def faults(journal: Assertions, case: str, **limits: Any) -> dict[ClientFault, str]:
    """The faults that the verdict names, each with its line; checks that its text has all that a reader needs."""
    try:
        journal.assert_resilient(case, **limits)
    except AssertionError as problem:
        said = renumbered(str(problem), journal.entries(case))
        found = re.findall(r"^\d+\. ([\w-]+): (.*)\n   expected: .+\n   typical fault: .+$", said, re.MULTILINE)
        assert re.match(rf"the client under test is not resilient: \d findings? in \d requests of case {case}\n", said)
        assert re.search(rf"^#\d openai POST /v1/chat/completions, .*, case {case} -> ", said, re.MULTILINE), said
        return dict(reversed(found))
    return {}


@timed
@pytest.mark.parametrize(("careless", "script", "fault", "seen"), ASKS)
def test_a_client_that_repeats_wrongly(
    world: World, careless: type[Careless], script: str, fault: ClientFault, seen: str
) -> None:
    world.client(careless).ask(f"scenario {script} case c")
    found = faults(world.journal, "c")
    assert list(found) == [fault]
    assert re.match(seen, found[fault]), found[fault]
    assert world.journal.assert_resilient("c", ignore=[fault]), "nothing else"


@timed
def test_a_client_that_repeats_as_it_should(world: World) -> None:
    for script in ("wait", "stop", "down", "no-key", "wrong"):
        world.client(Careful).ask(f"scenario {script} case {script}")
    tried = world.journal.assert_resilient()
    assert tried == {
        "retry-after-ignored": 2,
        "retried-against-advice": 1,
        "retry-storm": 5,
        "refusal-retried": 2,
        "cut-off-taken-for-whole": 0,
        "stream-left-open": 0,
        "no-read-timeout": 0,
    }


@timed
@pytest.mark.parametrize("script", ["drop-mid", "cut-mid", "reset-mid", "error-mid"])
def test_a_client_that_goes_on_with_half_a_reply(world: World, script: str) -> None:
    client = world.client(Gullible)
    client.talk(f"scenario {script} case c", "Thank you! scenario hello case c")
    assert faults(world.journal, "c") == {
        "cut-off-taken-for-whole": "the reply to #1 broke off after 3 tokens,"
        " and #2 goes on with it as the assistant's turn"
    }
    answer = "".join(client.stream(f"scenario {script} case d"))
    assert world.journal.assert_resilient("d")["cut-off-taken-for-whole"] == 1, "no sign of what became of it"
    assert faults(world.journal, "d", returned=answer) == {
        "cut-off-taken-for-whole": "the reply to #1 broke off after 3 tokens,"
        " and the client returned it to its caller as the answer"
    }
    assert world.journal.assert_resilient("d", returned="Sorry!")


def test_a_client_that_asks_again_and_goes_on_with_the_whole_reply(world: World) -> None:
    world.fakes.plays("drop-mid", "hello")
    client = world.client(Gullible)
    "".join(client.stream("Hi! case c"))
    answer = "".join(client.stream("Hi! case c"))
    assert "".join(client.stream("Hi! case c", answer, "Go on! case c"))
    assert world.journal.assert_resilient("c", returned=answer)["cut-off-taken-for-whole"] == 1


def test_a_client_that_leaves_its_stream_open(world: World) -> None:
    client = world.client(Hoarder)
    client.first_piece("scenario minute case c")
    found = faults(world.journal, "c", within=0.1)
    assert list(found) == ["stream-left-open"]
    assert re.match(r"#1 is still open \d+ ms after it came: \d tokens sent, the last", found["stream-left-open"])
    for pieces in client.open:
        pieces.close()
    assert world.journal.assert_resilient("c")["stream-left-open"] == 1


def test_a_client_that_waits_for_the_connections_end(world: World) -> None:
    world.fakes.script("open", 'about = "x"\n[[steps]]\ntext = "Whole."\n[[steps]]\nfault = "open"')
    pieces = world.client(Careful).stream("scenario open case c")
    assert next(pieces) or next(pieces)
    assert list(faults(world.journal, "c", within=0.1)) == ["stream-left-open"]
    pieces.close()
    assert world.journal.assert_resilient("c")["stream-left-open"] == 1
    assert world.journal.entries("c")[0].whole


@timed
def test_a_client_without_a_read_timeout(world: World) -> None:
    for script in ("silent", "stall"):
        world.client(Patient, timeout=0.6).wait(f"scenario {script} case {script}")
        found = faults(world.journal, script, read_timeout=0.3)
        assert list(found) == ["no-read-timeout"]
        assert re.match(r"#1 waited 6\d\d ms while the provider said nothing", found["no-read-timeout"])
        assert world.journal.assert_resilient(script, read_timeout=1.0)["no-read-timeout"] == 1
        assert world.journal.assert_resilient(script)["no-read-timeout"] == 1


async def test_the_same_for_async_tests(fake_openai: InProcess) -> None:
    for name, toml in SCRIPTS.items():
        fake_openai.script(name, toml)
    with closing(Blind(fake_openai.url)) as client:
        client.ask("scenario no-key case c")
    with pytest.raises(AssertionError, match="refusal-retried"):
        await fake_openai.journal.aio.assert_resilient("c")
    with pytest.raises(AssertionError, match=r"there was no request of case d: nothing can be said of the client$"):
        await fake_openai.journal.aio.assert_resilient("d", within=0.01)
    with pytest.raises(ValueError, match="there is no fault no-timeout; there are: retry-after-ignored, "):
        await fake_openai.journal.aio.assert_resilient("c", ignore=["no-timeout"])


def test_the_verdict_over_http(server: ThreadedServer) -> None:
    """As tests in other languages ask for it."""
    server.journal.clear()
    with closing(Blind(server.url)) as client:
        client.ask("scenario no-key case c")
    number = server.journal.entries("c")[0].id

    def verdict(query: str) -> Any:
        return httpx.get(f"{server.url}/_fake/verdict?{query}", trust_env=False).json()

    said = verdict("case=c")
    assert said["requests"] == 3
    assert said["tried"]["refusal-retried"] == 3
    first = said["findings"][0]
    assert (first["fault"], first["requests"]) == ("refusal-retried", [number, number + 1])
    assert set(first) == {"fault", "seen", "expected", "cause", "requests"}
    assert verdict("case=c&ignore=refusal-retried&max_retries=1")["findings"][0]["fault"] == "retry-storm"
    assert verdict("case=d&within=0.01")["requests"] == 0
    assert verdict("case=c&ignore=nothing")["error"].startswith("there is no fault nothing; there are: ")
    assert verdict("case=c&backoff=x")["error"] == "backoff must be seconds from 0 to 3600, not 'x'"
    assert verdict("case=c&max_retries=-1")["error"].startswith("max_retries must be a whole number")


# -- the rules alone: entries of the past


def entry(number: int, at: float, ended: Ended | None = "completed", *, lasted: float = 0.1, **more: Any) -> Entry:
    body = more.pop("body", {"messages": [{"role": "user", "content": "Hi!"}]})
    path = "/v1/chat/completions"
    made = Entry(number, "openai", "POST", path, {}, body, at, **{"status": 200, **more})
    made.ended, made.ended_at = ended, None if ended is None else at + lasted
    return made


def found(entries: list[Entry], now: float = 1000.0, **limits: Any) -> list[ClientFault]:
    return [finding.fault for finding in judge(Observed(entries, now, ClientLimits(**limits))).findings]


def test_many_callers_that_ask_the_same_are_not_one_that_repeats() -> None:
    first = [entry(number, 0.001 * number, "faulted", status=503) for number in range(10)]
    again = [entry(10 + number, 0.5 + 0.001 * number) for number in range(10)]
    assert [len(tries.entries) for tries in tries_in([*again, *first])] == [2] * 10
    assert found([*first, *again]) == []


def test_only_a_failure_is_repeated() -> None:
    assert found([entry(number, number) for number in range(20)]) == [], "whole replies"
    stopped = [entry(number, number, "client_closed", planned_writes=9) for number in range(20)]
    for one in stopped:
        one.noted = [JournalWrite(one.received, 9, 1, "Hi")]
    assert found(stopped) == [], "their readers had seen enough"
    assert found([entry(number, number, "client_closed", planned_writes=9) for number in range(20)]) == ["retry-storm"]
    other = [entry(number, number, status=401, key=number) for number in range(5)]
    assert found(other) == [], "each with another key"
    listed = [entry(number, number, status=503, body=None) for number in range(20)]
    assert found(listed) == [], "a body is needed to know a repeat"


def test_a_first_repeat_may_come_at_once() -> None:
    gaps = {"at once": 0.0, "later": 0.3}
    two = [entry(0, 0.0, status=503), entry(1, 0.1), entry(2, 5.0)]
    assert found(two) == []
    three = [entry(0, 0.0, status=503), entry(1, 0.1, status=503), entry(2, 0.2 + gaps["later"])]
    assert found(three) == []
    three[2].received = 0.2 + gaps["at once"]
    assert found(three) == ["retry-storm"]
    assert found(three, backoff=0.0) == []


@pytest.mark.parametrize(
    ("headers", "error", "wait"),
    [
        ({"retry-after": "2"}, "", 2.0),
        ({"retry-after": "2", "retry-after-ms": "1500"}, "", 1.5),
        ({}, '{"error": {"details": [{"@type": "…RetryInfo", "retryDelay": "0.25s"}]}}', 0.25),
        ({"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT"}, "", None),
        ({}, "<html>", None),
    ],
)
def test_how_long_an_error_asks_to_wait(headers: dict[str, str], error: str, wait: float | None) -> None:
    said = advised_wait(entry(0, 0.0, status=429, reply_headers=headers, error=error))
    assert (said and said[0]) == wait
    pair = [entry(0, 0.0, status=429, reply_headers=headers, error=error), entry(1, 0.3)]
    assert found(pair) == ([] if wait is None else ["retry-after-ignored"])


def test_no_rule_needs_entries() -> None:
    assert judge(Observed([], 0.0)).tried == dict.fromkeys(RULES, 0)


TURNS: list[tuple[str, dict[str, Any]]] = [
    ("messages", {"role": "assistant", "content": "Half a"}),
    ("messages", {"role": "assistant", "content": [{"type": "text", "text": "Half a"}]}),
    ("input", {"role": "assistant", "content": [{"type": "output_text", "text": "Half a"}]}),
    ("contents", {"role": "model", "parts": [{"text": "Half"}, {"text": " a"}]}),
]


@pytest.mark.parametrize(("key", "turn"), TURNS)
def test_an_assistants_turn_in_every_dialect(key: str, turn: dict[str, Any]) -> None:
    asked, more = {"role": "user", "content": "Hi!"}, {"role": "user", "content": "And?"}
    cut = entry(0, 0.0, "faulted", unfinished=True, body={key: [asked]})
    cut.noted = [JournalWrite(0.0, 9, 2, "Half a")]

    def goes_on(*turns: dict[str, Any]) -> list[ClientFault]:
        return found([cut, entry(1, 2.0, body={key: list(turns)})])

    assert goes_on(asked, turn, more) == ["cut-off-taken-for-whole"]
    assert goes_on({"role": "system", "content": "Be kind."}, asked, turn, more) == ["cut-off-taken-for-whole"]
    assert goes_on(asked, turn) == [], "a prefill: the model shall go on with it"
    assert goes_on(asked, more) == []
    assert goes_on(asked, {"role": "assistant", "content": "Half a (cut)"}, more) == []
    assert goes_on(more) == []


def test_a_call_that_was_cut_and_made() -> None:
    asked = {"role": "user", "content": "Hi!"}
    call = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}
    cut = entry(0, 0.0, "faulted", unfinished=True, body={"messages": [asked]})
    cut.noted = [JournalWrite(0.0, 9, 2, "")]
    later = entry(2, 3.0, body={"messages": [asked, call, {"role": "tool", "content": "1"}]})
    assert found([cut, later]) == ["cut-off-taken-for-whole"]
    assert found([cut, entry(1, 1.0, body={"messages": [asked]}), later]) == [], "the call of the whole reply"
