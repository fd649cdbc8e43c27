"""The fixtures, as a user's own pytest run gets them.

One run has all plugins that are installed, found by pytest itself; the others name ours, which saves a second each.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

from tests.suite.running import OWN, ROOT, few_plugins

SETTINGS = "filterwarnings = error\n"
EVERY_PLUGIN = "asyncio_default_fixture_loop_scope = function\n"  # without it, pytest-asyncio would warn


def run(folder: Path, test: str, *options: str, ini: str = "", conftest: str = "") -> str:
    """What pytest says to a project with that one test file. It finds its plugins itself if `ini` is EVERY_PLUGIN."""
    (folder / "test_mine.py").write_text(dedent(test), encoding="utf-8")
    (folder / "conftest.py").write_text(dedent(conftest), encoding="utf-8")
    (folder / "pytest.ini").write_text(f"[pytest]\n{SETTINGS}{ini}", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options]
    environment = few_plugins(PYTHONPATH=str(ROOT), OPENAI_API_KEY="sk-real", GOOGLE_API_KEY="real")
    if ini == EVERY_PLUGIN:
        del environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"]
    else:
        command += ["-p", OWN]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


def test_the_fixtures_set_the_variables_and_take_them_back(tmp_path: Path) -> None:
    said = run(
        tmp_path,
        """
        import os
        import httpx

        def test_openai(fake_openai):
            assert os.environ["OPENAI_BASE_URL"] == fake_openai.base_url == "http://fake-openai.test/v1"
            assert os.environ["OPENAI_API_KEY"] == "fake-key"
            fake_openai.script("mine", 'about = "x"\\n[[steps]]\\ntokens = ["ok"]')
            fake_openai.plays("mine")
            ask = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
            headers = {"authorization": "Bearer " + os.environ["OPENAI_API_KEY"]}
            reply = httpx.post(fake_openai.base_url + "/chat/completions", json=ask, headers=headers)
            assert reply.json()["choices"][0]["message"]["content"] == "ok"
            assert fake_openai.journal.assert_completed().tokens == 1

        def test_gemini(fake_gemini):
            assert os.environ["GOOGLE_GEMINI_BASE_URL"] == fake_gemini.base_url
            assert os.environ["GEMINI_API_KEY"] == "fake-key"
            assert "GOOGLE_API_KEY" not in os.environ
            assert os.environ["OPENAI_API_KEY"] == "sk-real"

        def test_local(fake_local):
            assert os.environ["OLLAMA_HOST"] == os.environ["LOCAL_LLM_URL"] == fake_local.base_url
            assert httpx.get("http://localhost:11434/api/version").json()["version"]

        def test_server(fake_server):
            assert os.environ["OPENAI_BASE_URL"] == fake_server.base_url == fake_server.url + "/v1"
            assert os.environ["OLLAMA_HOST"] == os.environ["GOOGLE_GEMINI_BASE_URL"] == fake_server.url
            assert httpx.get(fake_server.url + "/api/version").status_code == 200
            assert fake_server.journal.assert_completed().provider == "local"

        def test_all_at_once(fake_openai, fake_gemini, fake_local, fake_server, respx_mock):
            respx_mock.get("https://billing.test/").respond(204)
            assert httpx.get("https://billing.test/").status_code == 204

        def test_afterwards():
            assert os.environ["OPENAI_API_KEY"] == "sk-real" and "OPENAI_BASE_URL" not in os.environ
        """,
        ini=EVERY_PLUGIN,
    )
    assert "6 passed" in said, said


def test_escaped_traffic_fails_the_test_once_in_one_line(tmp_path: Path) -> None:
    said = run(
        tmp_path,
        """
        import socket
        import threading

        def test_open(offline_guard):
            socket.create_connection(("api.openai.com", 443))

        def test_swallowed(offline_guard):
            def ask():
                try:
                    socket.getaddrinfo("generativelanguage.googleapis.com", 443)
                except BaseException:
                    pass
            thread = threading.Thread(target=ask)
            thread.start()
            thread.join()

        def test_other_clients_are_told(fake_openai):
            socket.create_connection(("fake-openai.test", 80))

        def test_good(offline_guard):
            pass
        """,
        "--tb=line",
    )
    assert "2 failed, 2 passed, 1 error" in said, said
    assert "this test tried to reach api.openai.com:443: its traffic must not leave the machine" in said
    assert "this test tried to reach generativelanguage.googleapis.com:443: its" in said
    assert "take the fixture fake_server" in said


def test_nothing_more_than_the_escape_hides_what_else_failed(tmp_path: Path) -> None:
    said = run(
        tmp_path,
        """
        import contextlib
        import socket

        def test_both(offline_guard):
            with contextlib.suppress(BaseException):
                socket.gethostbyname("api.openai.com")
            assert "my own" == "failure"
        """,
        "--tb=short",
    )
    assert "1 failed, 1 error" in said, said
    assert "'my own' == 'failure'" in said
    assert "tried to reach api.openai.com" in said


def test_the_guard_for_all_tests_and_hosts_that_are_let_through(tmp_path: Path) -> None:
    said = run(
        tmp_path,
        """
        import socket

        def test_named():
            socket.getaddrinfo("database", 5432)

        def test_unnamed():
            socket.getaddrinfo("elsewhere", 5432)
        """,
        ini="usefixtures = offline_guard\noffline_allow = database cache\n",
        conftest="""
        import socket

        socket.getaddrinfo = lambda *args: []
        """,
    )
    assert "1 failed, 1 passed" in said, said
    assert "tried to reach elsewhere:5432" in said


def test_the_fakes_in_process_do_not_need_respx(tmp_path: Path) -> None:
    said = run(
        tmp_path,
        """
        import httpx

        def test_it(fake_local):
            assert httpx.get(fake_local.url + "/api/version").status_code == 200
        """,
        conftest="import sys; sys.modules['respx'] = None",
    )
    assert "1 passed" in said, said


def test_the_plugin_costs_other_runs_nothing(tmp_path: Path) -> None:
    said = run(
        tmp_path,
        """
        import sys

        def test_nothing_was_imported():
            assert sorted(name for name in sys.modules if name.startswith("chatproof")) == [
                "chatproof", "chatproof.pytest_plugin"
            ]
            assert not {"httpx2", "openai", "regex", "uvloop", "httptools"} & set(sys.modules)
        """,
    )
    assert "1 passed" in said, said


def test_each_fixture_is_listed_with_what_it_does(tmp_path: Path) -> None:
    said = run(tmp_path, "", "--fixtures", "-q")
    for provider in ("openai", "gemini", "local"):
        _, listed, after = said.partition(f"fake_{provider}")
        assert listed, said
        assert "A fake" in after.partition("\nfake_")[0], said
