"""What scripts can ask of a request, in each dialect: instructions, offered tools, turns, and tools' results."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from chatproof.fake_providers.dialects.gemini.gemini_dialogue import GeminiDialogue
from chatproof.fake_providers.dialects.gemini.request_schema import Reader
from chatproof.fake_providers.dialects.ollama.ollama_dialogue import OllamaDialogue
from chatproof.fake_providers.dialects.openai.chat_messages import ChatDialogue
from chatproof.fake_providers.dialects.openai.response_items import ResponseDialogue
from chatproof.fake_providers.journal.control_client import Fakes
from chatproof.fake_providers.scripting.dialogue import NOBODY, Dialogue
from chatproof.fake_providers.scripting.match import take_match
from chatproof.fake_providers.scripting.toml_table import Table
from tests.fake_providers.test_choice import asked

SCHEMA = {"type": "object"}


def message(role: str, content: Any = "x", **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def calling(*calls: tuple[str, str]) -> dict[str, Any]:
    made = [{"id": id, "type": "function", "function": {"name": name, "arguments": "{}"}} for id, name in calls]
    return message("assistant", None, tool_calls=made)


def tool(**function: Any) -> dict[str, Any]:
    return {"type": "function", "function": function}


def chat(*said: Any, **more: Any) -> Dialogue:
    return ChatDialogue({"messages": list(said), **more})


def response(said: Any, **more: Any) -> Dialogue:
    return ResponseDialogue({"input": said, **more})


def gemini(*contents: Any, **more: Any) -> Dialogue:
    reader = Reader("v1beta")
    read = reader.message("GenerateContentRequest", {"contents": list(contents), **more})
    assert not reader.violations
    return GeminiDialogue(read)


def ollama(*said: Any, **more: Any) -> Dialogue:
    return OllamaDialogue({"messages": list(said), **more})


def content(role: str, *parts: Any) -> dict[str, Any]:
    return {"role": role, "parts": [{"text": part} if isinstance(part, str) else part for part in parts]}


def answered(name: str) -> dict[str, Any]:
    return {"functionResponse": {"name": name, "response": {"result": 1}}}


DECLARED = {"functionDeclarations": [{"name": "a"}, {"name": "b"}]}
TWO_CALLS = [content("user", "x"), content("model", {"functionCall": {"name": "a"}}, {"functionCall": {"name": "b"}})]
HOSTED = {"type": "web_search_call", "id": "ws_1", "status": "completed"}


@pytest.mark.parametrize(
    ("dialogue", "expected"),
    [
        (chat(message("system", "Be brief."), message("user"), message("developer", "No.")), "Be brief.\nNo."),
        (chat(message("user")), ""),
        (response("x", instructions="Be brief."), "Be brief."),
        (response([message("developer", "No."), message("user")], instructions="Be brief."), "Be brief.\nNo."),
        (gemini(content("user", "x"), systemInstruction={"parts": [{"text": "Be brief."}]}), "Be brief."),
        (gemini(content("user", "x")), ""),
        (ollama(message("System", "Be brief."), message("user")), "Be brief."),
        (OllamaDialogue({"prompt": "x", "system": "Be brief."}), "Be brief."),
        (NOBODY, ""),
    ],
)
def test_the_instructions(dialogue: Dialogue, expected: str) -> None:
    assert dialogue.system == expected


@pytest.mark.parametrize(
    ("dialogue", "expected"),
    [
        (chat(message("user"), tools=[tool(name="a"), {"type": "custom", "custom": {"name": "b"}}]), ["a", "b"]),
        (chat(message("user"), functions=[{"name": "a"}, 1]), ["a"]),
        (chat(message("user"), tools=None), []),
        (response("x", tools=[{"type": "function", "name": "a"}, {"type": "web_search"}]), ["a", "web_search"]),
        (gemini(content("user", "x"), tools=[DECLARED, {"googleSearch": {}}]), ["a", "b", "google_search"]),
        (ollama(message("user"), tools=[tool(name="a"), {"type": "function"}]), ["a", ""]),
        (NOBODY, []),
    ],
)
def test_the_offered_tools(dialogue: Dialogue, expected: list[str]) -> None:
    assert list(dialogue.tools) == expected


@pytest.mark.parametrize(
    ("dialogue", "expected"),
    [
        (chat(message("system"), message("user"), message("assistant"), message("user")), 2),
        (chat(message("user"), calling(("1", "a")), message("tool", tool_call_id="1")), 1),
        (response("x"), 1),
        (response([message("user"), message("assistant"), message("user")]), 2),
        (response(None, previous_response_id="resp_1"), 0),
        (gemini(*TWO_CALLS, content("user", answered("a"), answered("b")), content("model", "y")), 1),
        (gemini({"parts": [{"text": "x"}]}, content("model", "y"), content("user", "z")), 2),
        (ollama(message("user"), message("assistant"), message("USER")), 2),
        (OllamaDialogue({"prompt": "x"}), 1),
        (NOBODY, 0),
    ],
)
def test_the_turn(dialogue: Dialogue, expected: int) -> None:
    assert dialogue.turn == expected


@pytest.mark.parametrize(
    ("dialogue", "expected"),
    [
        (chat(message("user")), []),
        (chat(calling(("1", "a")), message("tool", tool_call_id="1")), ["a"]),
        (
            chat(calling(("1", "a"), ("2", "b")), message("tool", tool_call_id="2"), message("tool", tool_call_id="1")),
            ["a", "b"],
        ),
        (chat(calling(("1", "a")), message("tool", tool_call_id="1"), message("system")), ["a"]),
        (chat(calling(("1", "a")), message("tool", tool_call_id="1"), message("user")), []),
        (chat(message("user"), message("function", name="a")), ["a"]),
        (response("x"), []),
        (
            response(
                [
                    {"type": "function_call", "call_id": "1", "name": "a"},
                    {"type": "function_call_output", "call_id": "1"},
                ]
            ),
            ["a"],
        ),
        (response([{"type": "function_call_output", "call_id": "1"}], previous_response_id="resp_1"), [""]),
        (response([{"type": "computer_call_output", "call_id": "1"}, message("developer")]), ["computer"]),
        (response([HOSTED, message("user")]), []),
        (response([HOSTED]), []),
        (gemini(*TWO_CALLS, content("user", answered("a"), answered("b"))), ["a", "b"]),
        (gemini(*TWO_CALLS, content("function", answered("a"), answered("b"))), ["a", "b"]),
        (gemini(*TWO_CALLS, content("user", answered("a"), answered("b"), "And?")), []),
        (gemini(*TWO_CALLS, content("user", answered("a"), answered("b")), content("user", "And?")), []),
        (ollama(message("user")), []),
        (ollama(message("user"), message("tool", tool_name="a")), ["a"]),
        (ollama(calling(("1", "a"), ("2", "b")), message("tool"), message("tool")), ["a", "b"]),
        (ollama(calling(("1", "a"), ("2", "b")), message("tool", tool_call_id="2")), ["b"]),
        (ollama(message("tool")), [""]),
        (ollama(message("system")), []),
        (OllamaDialogue({"prompt": "x"}), []),
        (NOBODY, []),
    ],
)
def test_the_results_that_end_a_request(dialogue: Dialogue, expected: list[str]) -> None:
    assert sorted(dialogue.results) == expected


HEARD = chat(
    message("system", "You are a travel agent."),
    message("user"),
    calling(("1", "a")),
    message("tool", tool_call_id="1"),
    tools=[tool(name="a")],
)


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        ({"system": "travel"}, True),
        ({"system": "^travel"}, False),
        ({"tool": "a"}, True),
        ({"tool": "A"}, False),
        ({"after_tool": True}, True),
        ({"after_tool": False}, False),
        ({"after_tool": "a"}, True),
        ({"after_tool": "b"}, False),
        ({"turn": 1}, True),
        ({"turn": 2}, False),
        ({"turn": 1, "after_tool": True, "tool": "b"}, False),
    ],
)
def test_all_of_a_match_must_fit_the_dialogue(match: dict[str, Any], fits: bool) -> None:
    made = take_match(Table("mine", {"match": match}))
    assert made is not None
    assert made.fits("x", "m", "openai", HEARD) is fits


AGENT = """
about = "Calls a tool, then says what came of it."
[[steps]]
tool_call = "a"
[[after_tool]]
text = "Done."
"""


def again(*said: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [*said, calling(("1", "a")), message("tool", tool_call_id="1")]}


async def said(http: httpx.AsyncClient, body: dict[str, Any]) -> str | None:
    reply = (await http.post("/v1/chat/completions", json=body)).json()
    return str(reply["choices"][0]["message"]["content"] or "") or None


async def test_the_last_script_of_a_sequence_looks_at_results_and_the_others_do_not(
    http: httpx.AsyncClient, fakes: Fakes
) -> None:
    await fakes.register("agent", AGENT)
    await fakes.register("twice", 'about = "x"\nsequence = ["agent", "agent"]')
    await fakes.register("once", 'about = "x"\nsequence = ["server-error", "agent"]')
    first = message("user", "scenario twice case one")
    assert [await said(http, again(first)) for _ in range(3)] == [None, "Done.", "Done."]
    retried = message("user", "scenario once case two")
    assert await asked(http, "scenario once case two") == 500
    answers = [{"model": "m", "messages": [retried]}, again(retried), again(retried)]
    assert [await said(http, body) for body in answers] == [None, "Done.", "Done."]


async def test_scripts_of_an_agent_are_matched_by_what_the_request_says(http: httpx.AsyncClient, fakes: Fakes) -> None:
    """Three scripts for one question: search, then book, then words; retries change nothing."""
    for name, match, step in (
        ("agent-1", "message = 'trip'\nafter_tool = false", "tool_call = 'search'"),
        ("agent-2", "after_tool = 'search'", "tool_call = 'book'"),
        ("agent-3", "after_tool = 'book'", "text = 'Booked.'"),
    ):
        await fakes.register(name, f"about = 'x'\n[match]\n{match}\n[[steps]]\n{step}\n")
    messages: list[Any] = [message("user", "Book a trip.")]
    told = []
    for _ in range(3):
        body = {"model": "m", "messages": messages}
        replies = [(await http.post("/v1/chat/completions", json=body)).json()["choices"][0] for _ in range(2)]
        assert replies[0] == replies[1]
        reply = replies[0]["message"]
        calls = reply.get("tool_calls") or []
        told.append(calls[0]["function"]["name"] if calls else reply["content"])
        messages += [reply, *(message("tool", tool_call_id=call["id"]) for call in calls)]
    assert told == ["search", "book", "Booked."]
