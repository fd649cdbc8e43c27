"""Recorded once, replayed ever after: the marker fake_cassette, with fakes of our own in the real provider's place."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatproof.fake_providers.scripting.one_line_reply import calls, says
from chatproof.fake_providers.scripting.script import parse_script
from chatproof.fake_providers.testing.cassette import Cassette, real_providers
from tests.fake_providers.kit import Served
from tests.fake_providers.pytester_kit import outcome, said

pytest_plugins = ["pytester"]

KEY = "sk-real-0123456789"
TEST = """
import os
import httpx
import pytest

TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}]

def ask(*messages, stream=False):
    body = {"model": "gpt-private-4711", "messages": list(messages), "tools": TOOLS, "stream": stream}
    headers = {"authorization": "Bearer " + os.environ["OPENAI_API_KEY"]}
    with httpx.Client(headers=headers, trust_env=False) as client:
        return client.post(os.environ["OPENAI_BASE_URL"] + "/chat/completions", json=body)

def loop(question):
    asked = {"role": "user", "content": question}
    answer = ask(asked).json()["choices"][0]["message"]
    call = answer["tool_calls"][0]
    assert call["function"] == {"name": "get_weather", "arguments": '{"city":"Paris"}'}
    result = {"role": "tool", "tool_call_id": call["id"], "content": "20 degrees"}
    return ask(asked, answer, result).json()["choices"][0]["message"]["content"]

@pytest.mark.fake_cassette
@pytest.mark.parametrize("fakes", ["fake_openai", "fake_server"])
def test_loop(request, fakes):
    fakes = request.getfixturevalue(fakes)
    assert loop("How is the weather in Paris?") == "It is sunny."
    assert [entry.ended for entry in fakes.journal.wait_ended()] == ["completed"] * 2
"""


@pytest.fixture
def real(served: Served, monkeypatch: pytest.MonkeyPatch) -> Served:
    """What stands for the real provider."""
    monkeypatch.setenv("OPENAI_BASE_URL", f"{served.url}/v1")
    served.server.planner.play([calls("get_weather", city="Paris"), says("It is sunny.")] * 2)
    return served


def test_recorded_once_and_replayed_without_network(
    real: Served, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = said(outcome(pytester, monkeypatch, TEST))
    assert before.count("run it once with --fake-record missing, your own API key, and the network") == 2, before
    assert "def running" not in before

    recorded = outcome(pytester, monkeypatch, TEST, "--fake-record", "missing", key=KEY)
    recorded.assert_outcomes(passed=2)
    assert len(real.server.journal.entries()) == 4
    files = sorted(pytester.path.glob("cassettes/**/*.toml"))
    assert [path.name for path in files] == ["openai-001.toml", "openai-002.toml", "server-001.toml", "server-002.toml"]
    assert not any(KEY in path.read_text() for path in files)
    assert [path.name for path in pytester.path.glob("cassettes/*/*")] != []
    assert not list(pytester.path.glob("cassettes/**/*.part"))

    monkeypatch.setenv("OPENAI_BASE_URL", "http://192.0.2.7/v1")  # nobody is there
    monkeypatch.setenv("CHATPROOF_RECORD", "missing")
    outcome(pytester, monkeypatch, TEST).assert_outcomes(passed=2)
    assert len(real.server.journal.entries()) == 4

    changed = TEST.replace("How is the weather in Paris?", "And in Rome?")
    text = said(outcome(pytester, monkeypatch, changed))
    assert "this request has no recorded reply: record " in text
    assert "asked: 'And in Rome?'" in text


def test_what_cannot_be_recorded_is_one_line_and_keeps_the_old_cassette(
    real: Served, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome(pytester, monkeypatch, TEST, "--fake-record", "all", "-k", "openai", key=KEY).assert_outcomes(passed=1)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    failed = outcome(pytester, monkeypatch, TEST, "--fake-record", "all", "-k", "openai", key=KEY)
    failed.assert_outcomes(failed=1)
    assert "this request has no recorded reply: http://127.0.0.1:9 was not recorded: " in said(failed)
    outcome(pytester, monkeypatch, TEST, "-k", "openai").assert_outcomes(passed=1)


def test_bad_recordings_and_modes(real: Served, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    test = "import pytest\n@pytest.mark.fake_cassette\ndef test_it(fake_openai): pass\n"
    folder = Cassette.of(pytester.path / "test_bad_recordings_and_modes.py", "test_it", "openai").folder
    folder.mkdir(parents=True)
    (folder / "openai-001.toml").write_text('about = "x"\n[[stepps]]\n')
    text = said(outcome(pytester, monkeypatch, test))
    assert "openai-001.toml: " in text
    assert "def running" not in text
    monkeypatch.setenv("CHATPROOF_RECORD", "yes")
    assert "CHATPROOF_RECORD must be missing or all, not 'yes'" in said(outcome(pytester, monkeypatch, test))


def test_where_real_providers_are() -> None:
    assert real_providers({}) == {
        "openai": "https://api.openai.com",
        "gemini": "https://generativelanguage.googleapis.com",
        "anthropic": "https://api.anthropic.com",
        "local": "http://127.0.0.1:11434",
    }
    own = {"OPENAI_BASE_URL": "https://gateway.test/openai/v1/", "OLLAMA_HOST": "10.0.0.1:11434"}
    assert real_providers(own)["openai"] == "https://gateway.test/openai"
    assert real_providers(own)["local"] == "http://10.0.0.1:11434"


def test_each_test_has_a_cassette_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "test_chat.py"
    tests = ["test_it", "test_it[a/b]", "test_it[a:b]", "TestChat::test_it", f"test_it[{'x' * 300}]"]
    folders = [Cassette.of(file, test, "openai").folder for test in tests]
    assert len({*folders}) == len(tests)
    assert folders[0] == tmp_path / "cassettes" / "test_chat" / "test_it"
    assert all(folder.parent == folders[0].parent and len(folder.name) < 120 for folder in folders)


CLIENTS = """
import pytest

@pytest.mark.fake_cassette
def test_gemini(fake_gemini):
    genai = pytest.importorskip("google.genai")
    with genai.Client() as client:
        chunks = list(client.models.generate_content_stream(model="gemini-private", contents="hi"))
    assert "".join(chunk.text for chunk in chunks) == "It is sunny."
    assert fake_gemini.journal.assert_completed().script == "gemini-001"

@pytest.mark.fake_cassette
async def test_openai(fake_openai):
    openai = pytest.importorskip("openai")
    async with openai.AsyncOpenAI() as client:
        reply = await client.responses.create(model="private", input="hi")
        assert reply.output_text == "It is sunny."
        assert (await client.embeddings.create(model="text-embedding-3-small", input="hi")).data

@pytest.mark.fake_cassette
def test_fails_as_the_real_one(fake_openai):
    openai = pytest.importorskip("openai")
    with openai.OpenAI(max_retries=0) as client, pytest.raises(openai.RateLimitError, match="slow down"):
        client.chat.completions.create(model="private", messages=[{"role": "user", "content": "fail"}])
"""


def test_official_clients_replay_what_they_recorded(
    served: Served, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", f"{served.url}/v1")
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", served.url)
    monkeypatch.setenv("GEMINI_API_KEY", "AIza-real-0123456789")
    monkeypatch.delenv("GOOGLE_API_KEY", raising=False)
    failing = '[[steps]]\nfault = "status"\nstatus = 429\nmessage = "slow down"\n[match]\nmessage = "^fail"\n'
    sunny = '[[steps]]\ntext = "It is sunny."\n[match]\nmessage = "^hi"\n'
    for name, toml in (("failing", failing), ("sunny", sunny)):
        served.server.planner.library.register(parse_script(name, f'about = "x"\n{toml}'))
    outcome(pytester, monkeypatch, CLIENTS, "--fake-record", "all", key=KEY).assert_outcomes(passed=3)
    recorded = len(served.server.journal.entries())
    assert [entry.script for entry in served.server.journal.entries()] == ["sunny", "sunny", "failing"]
    written = "".join(path.read_text() for path in pytester.path.glob("cassettes/**/*.toml"))
    assert "real-0123456789" not in written
    for name in ("OPENAI_BASE_URL", "GOOGLE_GEMINI_BASE_URL", "GEMINI_API_KEY"):
        monkeypatch.delenv(name)
    outcome(pytester, monkeypatch, CLIENTS).assert_outcomes(passed=3)
    assert len(served.server.journal.entries()) == recorded
