"""Responses that are kept: retrieved, streamed again, cancelled, deleted, and what a conversation holds."""

from __future__ import annotations

from typing import Any

import pytest

from chatproof.fake_providers.planning import kept_replies
from chatproof.fake_providers.scripting.script import parse_script
from tests.fake_providers.routes_kit import OPENAI, Provider

PATH = "/v1/responses"
TOOL = {"type": "function", "name": "get_weather", "parameters": {"type": "object", "properties": {}}}


def body(said: Any = "scenario three-tokens", **more: Any) -> dict[str, Any]:
    return {"model": "gpt-4o", "input": said, **more}


@pytest.fixture
def openai() -> Provider:
    return Provider(OPENAI)


def test_a_response_is_read_again_until_it_is_deleted(openai: Provider) -> None:
    made = openai.post(PATH, body()).json
    where = f"{PATH}/{made['id']}"
    assert openai.get(where).json == made
    assert openai.send("DELETE", where).json == {"id": made["id"], "object": "response", "deleted": True}
    gone = openai.get(where)
    assert (gone.status, gone.json["error"]["type"]) == (404, "invalid_request_error")
    assert made["id"] in gone.json["error"]["message"]
    assert openai.send("DELETE", where).status == 404
    on = openai.post(PATH, body("Go on", previous_response_id=made["id"]))
    assert (on.status, on.json["error"]["code"]) == (400, "previous_response_not_found")
    assert openai.post(PATH, body()).json == made, "the same request makes it again"
    assert openai.get(where).json == made


@pytest.mark.parametrize("strict", [True, False])
def test_what_is_not_stored_is_not_there(strict: bool) -> None:
    openai = Provider(OPENAI, strict)
    made = openai.post(PATH, body(store=False)).json
    assert openai.get(f"{PATH}/{made['id']}").status == 404
    failed = openai.post(PATH, body("scenario rate-limited"))
    assert failed.status == 429
    assert openai.get(f"{PATH}/resp_{'0' * 35}").status == 404


def test_a_stream_is_read_again_from_any_event(openai: Provider) -> None:
    events = openai.post(PATH, body(stream=True)).events
    where = f"{PATH}/{events[0]['response']['id']}"
    again = openai.get(f"{where}?stream=true")
    assert (again.events, again.answer.stream) == (events, True)
    assert openai.get(f"{where}?stream=true&starting_after=4").events == events[5:]
    assert openai.get(where).json == events[-1]["response"]


def test_the_background_is_queued_then_in_progress_then_finished(openai: Provider) -> None:
    made = openai.post(PATH, body(background=True)).json
    where = f"{PATH}/{made['id']}"
    seen = [made, *(openai.get(where).json for _ in range(3))]
    assert [one["status"] for one in seen] == ["queued", "in_progress", "completed", "completed"]
    assert [len(one["output"]) for one in seen] == [0, 0, 1, 1]
    assert all(one["background"] and one["id"] == made["id"] for one in seen)
    assert openai.post(f"{where}/cancel", None).json["status"] == "completed", "it was over"


def test_the_background_can_be_cancelled(openai: Provider) -> None:
    made = openai.post(PATH, body(background=True)).json
    where = f"{PATH}/{made['id']}"
    assert openai.post(f"{where}/cancel", None).json["status"] == "cancelled"
    assert [openai.get(where).json["status"] for _ in range(3)] == ["cancelled"] * 3
    assert openai.post(f"{where}/cancel", None).json["status"] == "cancelled"
    waited_for = openai.post(PATH, body()).json["id"]
    refused = openai.post(f"{PATH}/{waited_for}/cancel", None)
    assert (refused.status, refused.json["error"]["message"]) == (400, "Cannot cancel a synchronous response.")
    assert openai.post(PATH, body(background=True, store=False)).json["error"]["param"] == "background"


def test_a_script_that_fails_is_a_failed_response(openai: Provider) -> None:
    made = openai.post(PATH, body("scenario rate-limited", background=True)).json
    where = f"{PATH}/{made['id']}"
    openai.get(where)
    failed = openai.get(where).json
    assert (failed["status"], failed["error"]["code"]) == ("failed", "rate_limit_exceeded")


def test_the_input_is_listed_with_the_conversation_before_it(openai: Provider) -> None:
    first = openai.post(PATH, body()).json
    second = openai.post(PATH, body([{"role": "user", "content": "And?"}], previous_response_id=first["id"])).json
    where = f"{PATH}/{second['id']}/input_items"
    listed = openai.get(where).json
    texts = [item["content"][0]["text"] for item in listed["data"]]
    assert texts == ["And?", "Three small words.", "scenario three-tokens"]
    assert [item["role"] for item in listed["data"]] == ["user", "assistant", "user"]
    assert (listed["first_id"], listed["has_more"]) == (listed["data"][0]["id"], False)
    page = openai.get(f"{where}?limit=2&order=asc").json
    assert ([item["id"] for item in page["data"]], page["has_more"]) == (
        [item["id"] for item in reversed(listed["data"])][:2],
        True,
    )
    rest = openai.get(f"{where}?limit=2&order=asc&after={page['last_id']}").json
    assert ([item["id"] for item in rest["data"]], rest["has_more"]) == ([listed["data"][0]["id"]], False)


def test_a_conversation_counts_and_matches_as_a_whole(openai: Provider) -> None:
    """The tokens of earlier turns are input tokens; `turn` of a script counts the user's messages of all requests."""
    toml = 'about = "x"\n[match]\nturn = 2\n[[steps]]\ntext = "the second turn"'
    openai.planner.library.register(parse_script("second", toml))
    first = openai.post(PATH, body("Hello!")).json
    again = body("Go on", previous_response_id=first["id"])
    second = openai.post(PATH, again).json
    assert second["output"][0]["content"][0]["text"] == "the second turn"
    alone = openai.post(PATH, body("Go on")).json
    assert second["usage"]["input_tokens"] > alone["usage"]["input_tokens"] + first["usage"]["output_tokens"]
    assert openai.post(PATH, again).json == second
    counted = openai.post(f"{PATH}/input_tokens", again).json
    assert counted == {"object": "response.input_tokens", "input_tokens": second["usage"]["input_tokens"]}


def test_calls_are_answered_over_requests(openai: Provider) -> None:
    made = openai.post(PATH, body("scenario tool-call", tools=[TOOL])).json
    call = next(item for item in made["output"] if item["type"] == "function_call")
    on = {"previous_response_id": made["id"], "tools": [TOOL]}
    forgot = openai.post(PATH, body("Never mind", **on))
    assert (
        forgot.status,
        f"No tool output found for function call {call['call_id']}." in forgot.json["error"]["message"],
    ) == (400, True)
    output = {"type": "function_call_output", "call_id": call["call_id"], "output": "rain"}
    wrong = openai.post(PATH, body([output, {**output, "call_id": "call_of_nobody"}], **on))
    assert "No tool call found" in wrong.json["error"]["message"]
    answered = openai.post(PATH, body([output], **on)).json
    assert answered["output"][0]["type"] == "message", "the result ends the loop"


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", f"{PATH}/other_1", 400),
        ("PUT", f"{PATH}/resp_1", 405),
        ("GET", f"{PATH}/resp_1/cancel", 405),
        ("POST", f"{PATH}/resp_1/nothing", 404),
        ("POST", f"{PATH}/compact", 404),
        ("GET", f"{PATH}/resp_1?starting_after=x", 400),
        ("GET", f"{PATH}/resp_1/input_items?limit=0", 400),
        ("GET", f"{PATH}/resp_1/input_items?order=up", 400),
    ],
)
def test_what_is_refused(openai: Provider, method: str, target: str, status: int) -> None:
    found = openai.send(method, target, {} if method == "POST" else None)
    assert found.status == status, found.body
    assert found.json["error"].keys() == {"message", "type", "param", "code"}


def test_no_nesting_of_a_kept_request_breaks_the_fakes(openai: Provider) -> None:
    for depth in range(600, 1_000, 20):
        deep: Any = "x"
        for _ in range(depth):
            deep = [deep]
        item = {"type": "computer_call", "id": "cu_1", "action": deep}
        try:
            made = openai.post(PATH, body([item, {"role": "user", "content": "Hi"}]))
        except RecursionError:
            break  # of this test's own json.dumps
        if made.status == 200:
            where = f"{PATH}/{made.json['id']}"
            assert openai.get(f"{where}/input_items").status in (200, 400)
            assert openai.post(PATH, body("On", previous_response_id=made.json["id"])).status in (200, 400)


def test_no_more_than_so_many_are_kept(openai: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_replies, "_MOST", 3)
    names = [openai.post(PATH, body(f"Hi {number}")).json["id"] for number in range(5)]
    assert [openai.get(f"{PATH}/{name}").status for name in names] == [404, 404, 200, 200, 200]
    later = [openai.post(PATH, body(f"Ho {number}")).json["id"] for number in range(2)]
    assert [openai.get(f"{PATH}/{name}").status for name in [*names, *later]] == [404] * 4 + [200] * 3
    monkeypatch.setattr(kept_replies, "_MOST_BYTES", 5_000)
    large = openai.post(PATH, body("x" * 6_000)).json["id"]
    assert openai.get(f"{PATH}/{large}").status == 404
