"""What is before and behind a stream: late headers, an open body, errors with 200 and before the end mark."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from chatproof.fake_providers.planning.planner import Answer, Planner
from chatproof.fake_providers.scripting.script import parse_script
from chatproof.fake_providers.scripting.script_library import ScriptLibrary
from chatproof.fake_providers.scripting.wire_table import FORMS, Form
from tests.fake_providers.wire_kit import Heard, answered, asking, reads_whole

HI: Final = '[[steps]]\ntokens = ["Hi", " there"]\n'
SCRIPTS: Final = {
    name: parse_script(name, f'about = "x"\n{toml}')
    for name, toml in {
        "late": "[timing]\nheaders_ms = 150\nbody_end_ms = 500\ninter_token_ms = 100\n" + HI,
        "late-error": "[timing]\nheaders_ms = 150\n[[steps]]\nfault = 'status'\nstatus = 503",
        "open-end": f'{HI}[[steps]]\nfault = "open"',
        "error-200": '[[steps]]\nfault = "status"\nstatus = 200\nmessage = "Quota exceeded"',
        "error-end": f'{HI}[[steps]]\nfault = "error"\nend_mark = true',
    }.items()
}
PRODUCTS: Final = ("", "/vllm/v1", "/llamacpp/v1", "/lmstudio/v1", "/ollama/v1")


@pytest.fixture(scope="module")
def planner() -> Planner:
    return Planner(ScriptLibrary(base=SCRIPTS))


def answer(planner: Planner, form: Form, name: str, *, stream: bool = True) -> Answer:
    return answered(planner, asking(form, f"scenario {name}", stream=stream))


@pytest.mark.parametrize("form", FORMS)
def test_what_was_due_before_late_headers_comes_with_them(planner: Planner, form: Form) -> None:
    plan = answer(planner, form, "late").plan
    assert [write.due for write in plan.writes] == pytest.approx([0.15, 0.2, 0.7])
    assert (plan.writes[0].text, plan.writes[1].text) == ("Hi there", "")
    assert plan.end_due == pytest.approx(0.7), "the body's end, 500 ms behind the last event"


@pytest.mark.parametrize("form", ["chat", "responses", "ollama"])
def test_late_headers_also_without_a_stream(planner: Planner, form: Form) -> None:
    plan = answer(planner, form, "late", stream=False).plan
    assert [write.due for write in plan.writes] == pytest.approx([0.2])
    assert plan.end_due == pytest.approx(0.2)
    assert [write.due for write in answer(planner, form, "late-error").plan.writes] == pytest.approx([0.15])


@pytest.mark.parametrize("form", FORMS)
def test_a_whole_reply_whose_body_never_ends(planner: Planner, form: Form) -> None:
    found = answer(planner, form, "open-end")
    request = asking(form, "scenario open-end")
    assert (found.plan.end, found.plan.faulted, found.plan.keep_alive) == ("stall", True, False)
    assert not found.plan.writes[-1].payload.endswith(b"\r\n0\r\n\r\n")
    reads_whole(found, request, SCRIPTS["open-end"])


def error_of(body: bytes) -> Any:
    value = json.loads(body)
    return (value[0] if isinstance(value, list) else value)["error"]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("form", FORMS)
def test_an_error_with_the_status_200_in_place_of_a_stream(planner: Planner, form: Form, stream: bool) -> None:
    heard = Heard.of(answer(planner, form, "error-200", stream=stream))
    error = error_of(heard.body)
    assert (heard.status, heard.header("content-type").partition(";")[0]) == (200, "application/json")
    assert (error if form == "ollama" else error["message"]) == "Quota exceeded"
    if form.startswith("gemini"):
        assert (error["code"], error["status"]) == (500, "INTERNAL")


@pytest.mark.parametrize("product", PRODUCTS)
def test_an_error_and_then_the_end_mark(planner: Planner, product: str) -> None:
    path = f"{product}/chat/completions" if product else ""
    body = Heard.of(answered(planner, asking("chat", "scenario error-end", path=path))).body
    *_, error, done, nothing = body.split(b"\n\n")
    assert (b'"error":' in error, done, nothing) == (True, b"data: [DONE]", b"")
    assert body.count(b"[DONE]") == 1


@pytest.mark.parametrize("form", ["responses", "gemini", "gemini-array", "messages", "ollama"])
def test_forms_without_an_end_mark_say_which_has_one(planner: Planner, form: Form) -> None:
    heard = Heard.of(answer(planner, form, "error-end"))
    error = error_of(heard.body)
    text = f"The script 'error-end' wants an end mark behind its error, and {form} has none: only chat has."
    assert (heard.status, error if form == "ollama" else error["message"]) == (400, text)
