"""Settings of the fixtures, in a user's own pytest run: markers, the ini file, and what fails a test at its end."""

from __future__ import annotations

import pytest

from tests.fake_providers.pytester_kit import outcome, said

pytest_plugins = ["pytester"]

ASK = """
import unittest
import httpx
import pytest
from chatproof.fake_providers.testing import says

def ask(fakes, text="What is the capital of France?"):
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": text}]}
    with httpx.Client(headers={"authorization": "Bearer k"}, trust_env=False) as client:
        return client.post(fakes.base_url + "/chat/completions", json=body).status_code
"""


def test_what_was_not_planned_fails_the_test_itself(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    result = outcome(
        pytester,
        monkeypatch,
        ASK
        + """
pytestmark = pytest.mark.fake_providers(unscripted="error", never_asked="error", pace="instant")

def test_swallowed(fake_openai):
    ask(fake_openai)

def test_served(fake_server):
    ask(fake_server)

async def test_async(fake_openai):
    ask(fake_openai, "asked in a coroutine")

def test_failed_anyway(fake_openai):
    fake_openai.plays("hello", "hello")
    fake_openai.configure(unscripted="error")
    assert ask(fake_openai, "scenario nowhere") == 200

def test_left_over(fake_openai):
    fake_openai.plays("minute", says("Paris"))
    ask(fake_openai)

class TestOld(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def _fakes(self, fake_openai):
        self.fakes = fake_openai

    def test_unittest(self):
        ask(self.fakes, "asked by unittest")

@pytest.mark.fake_providers(unscripted="answer")
def test_the_nearest_marker_counts(fake_openai):
    assert ask(fake_openai) == 200

def test_good(fake_openai):
    fake_openai.says("Paris")
    assert ask(fake_openai) == 200
""",
    )
    text = said(result)
    result.assert_outcomes(failed=5, passed=3, errors=1)  # unittest's test passes, then its fixture fails
    assert text.count("asked: 'What is the capital of France?'") == 2, text
    assert "asked: 'asked in a coroutine'" in text
    assert "the message names a scenario that does not exist" in text
    assert "assert 400 == 200" in text
    assert "planned but never asked: says('Paris') (1 request came)" in text
    assert text.count("planned but never asked") == 1, "of a test that failed anyway it is no news"
    assert "asked: 'asked by unittest'" in text


def test_the_ini_file_sets_them_for_all(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    result = outcome(
        pytester,
        monkeypatch,
        ASK
        + """
def test_exhausted(fake_openai):
    fake_openai.plays("hello")
    assert [ask(fake_openai) for _ in range(2)] == [200, 400]

def test_pace(fake_server):
    assert fake_server.pace == 0.25
    fake_server.configure(pace=1)
    assert fake_server.pace == 1

@pytest.mark.fake_providers(pace="instant")
def test_marker_wins(fake_server):
    assert fake_server.pace == 0
""",
        ini="fake_exhausted = error\nfake_pace = 0.25\n",
    )
    result.assert_outcomes(failed=1, passed=2)
    assert "every planned script has been played, and one more request came" in said(result)


@pytest.mark.parametrize(
    ("marker", "ini", "words"),
    [
        ('unscripted="eror"', "", "unscripted must be \"answer\" or \"error\", not 'eror'. Did you mean 'error'?"),
        ("pase=0", "", "unknown setting 'pase'. Did you mean 'pace'?"),
        ("'instant'", "", 'settings have names, such as pace="instant"'),
        ("", "fake_pace = quick\n", "pace must be 0 or more, or \"instant\", not 'quick'"),
    ],
)
def test_bad_settings_are_one_line(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, marker: str, ini: str, words: str
) -> None:
    test = f"import pytest\n@pytest.mark.fake_providers({marker})\ndef test_it(fake_openai): pass\n"
    result = outcome(pytester, monkeypatch, test, ini=ini)
    result.assert_outcomes(errors=1)
    assert words in said(result), said(result)
    assert "Traceback" not in said(result)
    assert "def fake_openai" not in said(result)


def test_other_peoples_markers_and_tests_are_left_alone(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = outcome(
        pytester,
        monkeypatch,
        """
        import pytest

        @pytest.mark.fake_providers("whatever", it=1)
        def test_without_our_fixtures():
            pass

        @pytest.mark.xfail(strict=True)
        def test_expected():
            raise RuntimeError

        def test_skipped(fake_openai):
            pytest.skip("not today")
        """,
        "--strict-markers",
    )
    result.assert_outcomes(passed=1, xfailed=1, skipped=1)


def test_the_guard_leads_out_of_the_circle(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LITELLM_LOCAL_MODEL_COST_MAP", raising=False)
    result = outcome(
        pytester,
        monkeypatch,
        """
        import os
        import socket

        def test_made_at_import(fake_server):
            socket.create_connection(("api.openai.com", 443))

        def test_not_httpx(fake_openai):
            socket.create_connection(("fake-openai.test", 80))

        def test_litellm(offline_guard):
            assert os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] == "True"
        """,
    )
    result.assert_outcomes(failed=2, passed=1)
    assert "it was made before the test began (at import" in said(result)
    assert "this client is another one (aiohttp, requests): take the fixture fake_server" in said(result)
