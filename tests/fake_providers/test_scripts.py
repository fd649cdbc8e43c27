"""Scripts: what can be said in TOML, what cannot, and what the built-in ones promise."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from chatproof.fake_providers.dialects.openai.reply import Whole
from chatproof.fake_providers.dialects.schedule import play
from chatproof.fake_providers.scripting import tokenizer
from chatproof.fake_providers.scripting.delays import Kind
from chatproof.fake_providers.scripting.faults import FAULTS
from chatproof.fake_providers.scripting.script import (
    Fail,
    Say,
    Script,
    ScriptError,
    Wait,
    load_script,
    load_scripts,
    parse_script,
)

DOCUMENT = (Path(__file__).parents[2] / "docs" / "scripts.md").read_text(encoding="utf-8")
GOOD = """
about = "All that a script can say."
seed = 7
finish_reason = "length"
ascii = true
[timing]
first_token_ms = 100
inter_token_ms = 20
[[steps]]
text = "Two words"
repeat = 2
split_every = 5
[[steps]]
wait_ms = 250
[[steps]]
tokens = ["a", "b"]
inter_token_ms = 0
split_bytes = [1, 9]
[[steps]]
fault = "error"
message = "no more"
"""


def test_a_script_is_read_whole() -> None:
    script = parse_script("all", GOOD)
    assert (script.name, script.seed, script.finish_reason, script.ascii) == ("all", 7, "length", True)
    assert (script.first_token, script.inter_token) == (0.1, 0.02)
    assert script.steps == (
        Say((), None, (), 5, "text", "Two words", 2),
        Wait(0.25),
        Say(("a", "b"), 0.0, (1, 9), None),
        Fail("error", message="no more"),
    )
    assert script.text == "Two wordsTwo wordsab"
    assert script.tokens == ("Two", " words", "Two", " words", "a", "b")


def test_a_script_says_something_else_after_a_tool() -> None:
    toml = f"""{steps("tool_call = 'search'")}inter_token_ms = 5
[[after_tool]]
text = "Found it."
[timing]
first_token_ms = 100
"""
    script = parse_script("agent", toml)
    assert script.reply(after_tool=False) is script
    then = script.reply(after_tool=True)
    assert (script.finish_reason, then.finish_reason, then.text) == ("tool_calls", "stop", "Found it.")
    assert (then.name, then.first_token, then.reply(after_tool=True)) == ("agent", 0.1, then)


def steps(text: str) -> str:
    return f'about = "x"\n[[steps]]\n{text}\n'


@pytest.mark.parametrize(
    ("toml", "expected"),
    [
        ("about = x", ["not TOML", "line 1"]),
        ("[[steps]]\ntext = 'x'", ["about is missing"]),
        ("about = 5\n[[steps]]\ntext = 'x'", ["about must be a non-empty text, not 5"]),
        ("about = 'x'", ["steps is missing"]),
        ("about = 'x'\nsteps = 3", ["steps must be tables: write one or more [[steps]]"]),
        ("about = 'x'\nabut = 'y'\n[[steps]]\ntext = 'x'", ["unknown key 'abut'", "'about'"]),
        ("about = 'x'\n[timing]\nfirst_token = 3\n[[steps]]\ntext = 'x'", ["[timing]", "'first_token_ms'"]),
        ("about = 'x'\ntiming = 3\n[[steps]]\ntext = 'x'", ["timing must be a table"]),
        ("about = 'x'\nfinish_reason = 'stopp'\n[[steps]]\ntext = 'x'", ["Did you mean 'stop'?"]),
        ("about = 'x'\nseed = true\n[[steps]]\ntext = 'x'", ["seed must be a whole number"]),
        ("about = 'x'\nascii = 'yes'\n[[steps]]\ntext = 'x'", ["ascii must be true or false"]),
        (steps("text = 'x'\nwait_ms = 5"), ["step 1", "exactly one of", "has text and wait_ms"]),
        (steps("txt = 'x'"), ["step 1", "this one has none (it has: txt)"]),
        (steps("tool_call = 'f'\narguments = 'x'"), ["step 1", "the text of a JSON object"]),
        (steps("tool_call = 'f'\narguments = [1]"), ["step 1", "arguments must be a table"]),
        (steps("tool_call = 'f'\narguments = {at = 2026-11-01}"), ["which JSON has not"]),
        (steps("tool_call = 'f'\nargument = {}"), ["unknown key 'argument'", "'arguments'"]),
        ("about = 'x'\nsequence = ['a']\n[[steps]]\ntext = 'x'", ["exclude each other"]),
        ("about = 'x'\nsequence = []", ["sequence must be a list of non-empty texts"]),
        ("about = 'x'\nwrites = 'both'\n[[steps]]\ntext = 'x'", ["Known: joined, each"]),
        ("about = 'x'\nwrites = 'each'\nevents_per_write = 2\n[[steps]]\ntext = 'x'", ["exclude each other"]),
        ("about = 'x'\nevents_per_write = 0\n[[steps]]\ntext = 'x'", ["events_per_write must be a whole number"]),
        ("about = 'x'\n[match]\n[[steps]]\ntext = 'x'", ["[match]", "say which requests"]),
        ("about = 'x'\n[match]\nmessage = '('\n[[steps]]\ntext = 'x'", ["not a regular expression"]),
        ("about = 'x'\n[match]\nmodle = 'm'\n[[steps]]\ntext = 'x'", ["[match]", "unknown key 'modle'", "'model'"]),
        (
            "about = 'x'\n[match]\nsystem = '('\n[[steps]]\ntext = 'x'",
            ["[match]", "system is not a regular expression"],
        ),
        ("about = 'x'\n[match]\nturn = 0\n[[steps]]\ntext = 'x'", ["[match]", "turn must be a whole number from 1"]),
        ("about = 'x'\n[match]\ntool = ''\n[[steps]]\ntext = 'x'", ["[match]", "tool must be a non-empty text"]),
        (
            "about = 'x'\n[match]\nafter_tool = 1\n[[steps]]\ntext = 'x'",
            ["[match]", "after_tool must be true, false or the name of a tool, not 1"],
        ),
        ("about = 'x'\n[match]\nafter_tol = true\n[[steps]]\ntext = 'x'", ["[match]", "'after_tool'"]),
        ("about = 'x'\n[[after_tool]]\ntext = 'x'", ["steps is missing"]),
        ("about = 'x'\nsequence = ['a']\n[[after_tool]]\ntext = 'x'", ["after_tool needs [[steps]]"]),
        ("about = 'x'\nafter_tool = true\n[[steps]]\ntext = 'x'", ["after_tool must be tables", "[[after_tool]]"]),
        (steps("text = 'x'\n[[after_tool]]\ntext = 3"), ["after_tool step 1", "text must be"]),
        ("about = 'x'\n[match]\nmodel = 'm'\nmesage = 'm'\n[[steps]]\ntext = 'x'", ["unknown key 'mesage'"]),
        (steps("text = 3"), ["text must be a text, not 3"]),
        (steps("thinking = ''"), ["thinking must be a non-empty text"]),
        (steps("thinking = []"), ["thinking must be a list of non-empty texts"]),
        (steps("refusal = ['a', '']"), ["refusal must be a list of non-empty texts"]),
        (
            steps("refusal = 'no'\n[[steps]]\ntext = 'yes'"),
            ["step 2", "a refusal ends the answer", "a fault can follow"],
        ),
        (steps("refusal = 'no'\n[[steps]]\ntool_call = 'f'"), ["step 2", "a refusal ends the answer"]),
        (steps("thinkin = 'x'"), ["step 1", "exactly one of text, tokens, thinking, refusal"]),
        (steps("tokens = ['a', '']"), ["tokens must be a list of non-empty texts"]),
        (steps("tokens = 'a'"), ["tokens must be a list"]),
        (steps("wait_ms = -1"), ["wait_ms must be a number from 0 to 600000, not -1"]),
        (steps("wait_ms = nan"), ["wait_ms must be a number"]),
        (steps("text = 'x'\nsplit_bytes = [3, 2]"), ["split_bytes must be a list of rising whole numbers"]),
        (steps("text = 'x'\nsplit_bytes = [3]\nsplit_every = 2"), ["exclude each other"]),
        (steps("text = 'x'\nrepeat = 0"), ["repeat must be a whole number from 1"]),
        (steps("tokens = ['a', 'b']\nrepeat = 100000"), ["repeat is too large"]),
        (steps(f"tokens = ['{'a' * 51}']\nrepeat = 100000"), ["at most 100,000 tokens or 5,000,000 characters"]),
        (steps("tokens = ['a']\nrepeat = 1001\nsplit_every = 1"), ["a step that is split has at most 1,000"]),
        (steps("text = 'x'\nrepeet = 2"), ["unknown key 'repeet'", "'repeat'"]),
        (steps("fault = 'stal'"), ["step 1", "Did you mean 'stall'?", "garbage"]),
        (steps("fault = 'status'"), ["needs status"]),
        (steps("fault = 'status'\nstatus = 201"), ["status must be 200, or a whole number from 400 to 599"]),
        (steps("fault = 'open'\nend_mark = true"), ["unknown key 'end_mark'"]),
        (steps("fault = 'error'\nend_mark = 1"), ["end_mark must be true or false"]),
        (steps("text = 'x'") + "[timing]\nheaders_ms = -1", ["headers_ms must be a number from 0"]),
        (steps("fault = 'status'\nstatus = 429\nbody = 'xml'"), ["body = 'xml' is not known"]),
        (steps("fault = 'close'\nstatus = 500"), ["unknown key 'status'"]),
        (steps("fault = 'close'\n[[steps]]\ntext = 'x'"), ["step 2", "nothing can follow the fault 'close'"]),
        (steps("text = 'x'\n[[steps]]\nfault = 'status'\nstatus = 500"), ["step 2", "instead of a response"]),
    ],
)
def test_errors_name_the_script_the_key_and_the_remedy(toml: str, expected: list[str]) -> None:
    with pytest.raises(ScriptError) as caught:
        parse_script("mine", toml)
    line = str(caught.value)
    assert line.startswith("mine")
    assert "\n" not in line
    for part in expected:
        assert part in line


def test_bad_names_and_sizes_are_refused() -> None:
    with pytest.raises(ScriptError, match="lower-case letters"):
        parse_script("Mine", GOOD)
    with pytest.raises(ScriptError, match="use repeat"):
        parse_script("mine", "#" * 1_000_001)


def test_files_are_named_in_errors(tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text("about = 'x'\n")
    with pytest.raises(ScriptError, match=r"broken\.toml: steps is missing"):
        load_script(broken)
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(ScriptError, match=r"binary\.toml: cannot be read: it is not UTF-8"):
        load_script(binary)
    with pytest.raises(ScriptError, match=r"none\.toml: cannot be read: No such file"):
        load_script(tmp_path / "none.toml")
    with pytest.raises(ScriptError, match=r"Loud\.toml: a script's file name"):
        load_script(tmp_path / "Loud.toml")
    with pytest.raises(ScriptError, match="not a folder"):
        load_scripts(tmp_path / "nowhere")


def test_a_later_folder_wins(tmp_path: Path) -> None:
    for folder, text in (("one", "first"), ("two", "second")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same.toml").write_text(steps(f"text = '{text}'"))
    assert load_scripts(tmp_path / "one", tmp_path / "two")["same"].text == "second"


def test_the_built_in_scripts_keep_their_promises(scripts: dict[str, Script]) -> None:
    promised = {
        "three-tokens": 3,
        "hundred-tokens": 100,
        "paced": 20,
        "pairs": 10,
        "slow": 10,
        "minute": 600,
        "long": 2000,
        "stall": 3,
        "drop-mid": 3,
        "cut-mid": 3,
        "reset-mid": 3,
        "malformed-mid": 3,
        "error-mid": 3,
        "silent": 0,
        "drop-start": 0,
        "garbage": 0,
        "rate-limited": 0,
        "server-error": 0,
        "overloaded": 0,
        "bad-key": 0,
        "empty": 0,
        "refusal": 0,
        "blocked": 0,
        "quota": 0,
        "context-length": 0,
        "model-not-found": 0,
        "parallel-tools": 0,
        "reasoning-tools": 0,
    }
    for vocabulary in tokenizer.VOCABULARIES:  # whatever the model
        said = {name: len(play(scripts[name], Whole(), vocabulary=vocabulary).said) for name in promised}
        assert said == promised
    assert {"hello", "slow-start", "unicode", "nasty", "split-bytes"} < scripts.keys()
    texts = [script.text for script in scripts.values() if script.text]
    assert len(set(texts)) == len(texts)
    assert scripts["refusal"].refusal == "I'm sorry, but I can't help with that request."
    assert [bool(scripts[name].thoughts) for name in ("reasoning", "reasoning-tools", "hello")] == [True, True, False]
    assert [call.name for call in scripts["parallel-tools"].calls] == ["get_weather"] * 2
    words = [set(scripts[name].tokens) for name in promised if name.endswith("-mid")]
    assert not set.intersection(*words)
    for name, script in scripts.items():
        if name not in ("nasty", "unicode", "split-bytes", "tool-call"):
            assert script.text.isascii(), name


def test_nasty_holds_what_breaks_careless_servers(scripts: dict[str, Script]) -> None:
    said = scripts["nasty"].tokens
    assert {"\n", "\n\n", "\t", "   "} <= set(said)
    assert said[0].isspace()
    assert said[-1].isspace()
    for part in (
        "\r",
        "\u2028",
        "\u2029",
        '"',
        "\\",
        "data: [DONE]",
        "<script>",
        "中",
        "ע",
        "\u200d",
        "e\u0301",
        "ﬁ",
        "Ｆ",
    ):
        assert part in scripts["nasty"].text, part


def test_an_agents_loop_on_a_built_in_script_ends(scripts: dict[str, Script]) -> None:
    for script in scripts.values():
        then = script.reply(after_tool=True)
        assert not then.calls, script.name
        assert then.text or not script.calls, script.name


def test_the_documents_examples_are_good() -> None:
    _, *examples = DOCUMENT.split("```toml\n")
    assert len(examples) >= 6
    for example in examples:
        parse_script("example", example.partition("```")[0])


def test_the_document_lists_the_built_in_scripts(scripts: dict[str, Script]) -> None:
    _, _, table = DOCUMENT.partition("## Built-in scripts\n")
    listed = [line for line in table.partition("\n## ")[0].splitlines() if line.startswith("| `")]
    assert sorted(listed) == sorted(f"| `{name}` | {script.about} |" for name, script in scripts.items())


def test_the_document_names_every_fault_and_distribution() -> None:
    for fault in FAULTS:
        assert f'| `"{fault}"` |' in DOCUMENT
    for kind in get_args(Kind):
        assert f"`{{ {kind} = [" in DOCUMENT
