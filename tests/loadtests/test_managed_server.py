"""`--start`: the load tests start a server as the conformance suite does."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from chatproof.harness.common.errors import ChatproofError
from chatproof.harness.common.started_server import FIRST_PORT, PORTS
from chatproof.loadtests import managed_server as module
from chatproof.loadtests.managed_server import managed_server

LISTENS_ON_IPV6_ALONE = """
import os, socket, sys, time
print(sorted(name for name in os.environ if name.startswith("OPENAI_")), file=sys.stderr)
server = socket.create_server(("::1", int(sys.argv[1])), family=socket.AF_INET6)
time.sleep(60)
"""


@pytest.fixture
def no_fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the fakes' process, which these tests do not look at."""

    class Fakes:
        url, openai_base_url = "http://127.0.0.1:9", "http://127.0.0.1:9/v1"

        def __enter__(self) -> None: ...
        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(module, "start_fakes", lambda **_: Fakes())


def command(tmp_path: Path, code: str) -> str:
    file = tmp_path / "server.py"
    file.write_text(code)
    return f"{sys.executable} {file} {{port}}"


@pytest.mark.usefixtures("no_fakes")
def test_a_server_on_ipv6_alone_is_found(tmp_path: Path) -> None:
    with managed_server(command(tmp_path, LISTENS_ON_IPV6_ALONE)) as (target, fakes_url):
        assert target.host == "::1"
        assert target.url == f"http://[::1]:{target.port}"
        assert FIRST_PORT <= target.port < FIRST_PORT + PORTS, "as in the suite"
        assert fakes_url == "http://127.0.0.1:9"


@pytest.mark.usefixtures("no_fakes")
def test_what_a_server_prints_does_not_drive_the_terminal(tmp_path: Path) -> None:
    code = r"import sys; sys.exit('\x1b[31mno model\x1b[0m for Bearer abcdefgh12345')"
    with pytest.raises(ChatproofError, match="exit code 1") as failure, managed_server(command(tmp_path, code)):
        pass
    said = str(failure.value)
    assert "\x1b" not in said
    assert r"\x1b[31mno model" in said
    assert "abcdefgh12345" not in said


@pytest.mark.usefixtures("no_fakes")
def test_a_slow_start_is_waited_for_as_long_as_in_the_suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert module.START_S == 60
    monkeypatch.setattr(module, "START_S", 0.3)
    silent = command(tmp_path, "import time; time.sleep(60)")
    with pytest.raises(ChatproofError, match=r"does not listen on port \d+ after 0.3 s"), managed_server(silent):
        pass


@pytest.mark.usefixtures("no_fakes")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("no-such-command-here {port}", "--start: cannot run 'no-such-command-here'"),
        ("python -c 'raise SystemExit(\"why\")'", "with exit code 1 before it listened .*; its last words: why$"),
        ("", "--start: the command is empty"),
    ],
)
def test_what_cannot_be_started_is_one_line(words: str, said: str) -> None:
    with pytest.raises(ChatproofError, match=said), managed_server(words):
        pass


def test_fakes_that_do_not_start_are_one_line() -> None:
    with pytest.raises(ChatproofError, match="/nowhere/scripts"), managed_server("python x.py", ("/nowhere/scripts",)):
        pass
