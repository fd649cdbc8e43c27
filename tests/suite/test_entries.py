"""The ways into the package: commands, `pytest` with the suite, `python -m`, Locust; and other people's pytest runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatproof.harness.command import main
from tests.suite.entry_probe import ROOT, Probed, probe

SUITE = "--pyargs chatproof.conformance"
COMMAND = ("-m", "chatproof.harness.command")
COLLECT = ("--collect-only", "-q", "-p", "no:cacheprovider", "-W", "error")
SCOPE = ("-o", "asyncio_default_fixture_loop_scope=function")  # pytest-asyncio warns where an ini does not set it
ALONE = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": "chatproof.pytest_plugin"}


@pytest.mark.parametrize(
    ("command", "cwd", "until"),
    [
        (("-m", "pytest", "conformance", *COLLECT), ROOT, ""),
        (("-m", "pytest", *SUITE.split(), *COLLECT, *SCOPE), None, ""),
        ((*COMMAND, "check", *COLLECT), None, ""),
        ((*COMMAND, "providers", "--port", "0"), None, "http://"),
        (("-m", "fake_providers", "--port", "0"), ROOT, "http://"),
        (("-m", "reference_server", "--port", "0"), ROOT, "http://"),
        (("-m", "chatproof.reference_server", "--port", "0"), None, "http://"),
        (("-m", "locust", "-f", "loadtests/locustfile.py", "--list"), ROOT, ""),
        ((*COMMAND, "load", "--help"), None, ""),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_no_file_is_loaded_twice(tmp_path: Path, command: tuple[str, ...], cwd: Path | None, until: str) -> None:
    """Under two names, a file would be two modules: classes that are not each other's, and state that is not shared."""
    found = probe(tmp_path, *command, cwd=cwd, until=until)
    assert found.code == 0, found.out + found.err
    assert found.ours > 3
    assert found.twice == []
    assert "AssertRewriteWarning" not in found.out + found.err


# -- the suite's options


def test_a_run_that_names_the_suite_has_its_options(tmp_path: Path) -> None:
    found = probe(tmp_path, "-m", "pytest", *SUITE.split(), "--help", environment=ALONE)
    assert found.code == 0
    assert "chatproof: the server under test" in found.out
    assert "--stream-limit" in found.out
    assert "--stream-limit" not in probe(tmp_path, "-m", "pytest", "--help", environment=ALONE).out


@pytest.mark.parametrize(
    ("where", "workers"), [("command line", "-p xdist -n 2"), ("environment", ""), ("ini", "-p xdist -n 2")]
)
def test_wherever_the_suite_is_named(tmp_path: Path, where: str, workers: str) -> None:
    """Its options are known, in workers of pytest-xdist too: the run comes as far as to miss its server."""
    project = tmp_path / "project"
    project.mkdir()
    addopts = f"addopts = {SUITE}\n" if where == "ini" else ""
    (project / "pytest.ini").write_text(f"[pytest]\n{addopts}", encoding="utf-8")
    words = SUITE.split() if where == "command line" else []
    environment = {"PYTEST_ADDOPTS": SUITE} if where == "environment" else {}
    options = ("--base-url", "http://127.0.0.1:9", "--only", "TOK-01", "--profile", "core", "-p", "no:cacheprovider")
    found = probe(
        tmp_path, "-m", "pytest", *words, *workers.split(), *options, cwd=project, environment=ALONE | environment
    )
    assert found.code == 2, found.out + found.err
    assert "http://127.0.0.1:9: no connection (Connection refused): is the server running" in found.out + found.err
    assert "INTERNALERROR" not in found.out + found.err


# -- other people's runs

CONFTEST = """
import pytest

def pytest_addoption(parser):
    for name in ("--slow", "--start", "--only", "--list", "--config", "--profile", "--strict-x", "--badge"):
        parser.addoption(name, action="store_true", dest="list_rows" if name == "--list" else None)

@pytest.fixture
def case(): return "mine"

@pytest.fixture
def behind(): return "mine"
"""
TEST = """
def test_it(case, behind, request):
    assert (case, behind) == ("mine", "mine")
    assert request.config.getoption("--slow") and request.config.getoption("list_rows")
"""


@pytest.fixture
def others(tmp_path: Path) -> Path:
    """A project that has a folder, options and fixtures of the same names."""
    project = tmp_path / "project"
    (project / "conformance").mkdir(parents=True)
    (project / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (project / "conformance" / "test_mine.py").write_text(TEST, encoding="utf-8")
    return project


def test_a_project_with_the_same_names_is_not_disturbed(tmp_path: Path, others: Path) -> None:
    words = ("-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", *SCOPE, "conformance", "--slow", "--list")
    found = [probe(tmp_path, *words, *more, cwd=others) for more in ((), ("-p", "no:chatproof"))]
    for one in found:
        assert one.code == 0, one.out + one.err
        assert "1 passed" in one.out
    with_us, without = found
    assert with_us.modules - without.modules == {"chatproof", "chatproof.pytest_plugin"}


def test_a_project_with_the_same_options_runs_the_suite(tmp_path: Path, others: Path) -> None:
    """The project's options win; its `--run-only` writes to `only`, and is not the suite's `--only`."""
    more = "\n    parser.addoption('--run-only', dest='only', default='mine')\n    parser.addoption('--base-url')"
    (others / "conftest.py").write_text(CONFTEST.replace("(parser):", f"(parser):{more}"), encoding="utf-8")
    words = ("-m", "pytest", *SUITE.split(), "-p", "no:cacheprovider", "--slow", "--base-url", "http://127.0.0.1:9")
    found = probe(tmp_path, *words, cwd=others, environment=ALONE)
    assert found.code == 2, found.out + found.err
    assert "or plugin defines --start, --profile, --config, --list, --only, --slow, --badge too, so" in found.out
    assert "http://127.0.0.1:9: no connection" in found.out


# -- the commands


def command(folder: Path, *words: str, hidden: str = "") -> Probed:
    return probe(folder, *COMMAND, *words, hidden=hidden)


def test_the_command_alone_prints_its_help_and_fails(tmp_path: Path) -> None:
    """A CI job that forgot the command's name must not be green."""
    found = command(tmp_path)
    assert (found.code, found.out) == (2, "")
    asked = command(tmp_path, "--help")
    assert (asked.code, asked.out) == (0, found.err)
    for name in ("check", "explain", "providers", "serve", "load"):
        assert f"\n  {name} " in asked.out
    assert command(tmp_path, "--version").out.startswith("chatproof 0.")


@pytest.mark.parametrize(("code", "ours"), [(0, 0), (1, 1), (2, 2), (3, 2), (4, 4), (5, 2)])
def test_a_check_ends_with_few_exit_codes(monkeypatch: pytest.MonkeyPatch, code: int, ours: int) -> None:
    """pytest's own for an internal error (3) and for no tests (5) are those of a run that could not judge."""
    monkeypatch.setattr(pytest, "main", lambda *_, **__: code)
    assert main(["check", "--base-url", "http://127.0.0.1:1"]) == ours


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("chek", "did you mean check?"),
        ("--base-url", "did you mean `chatproof check --base-url`?"),
        ("--bse-url=x", "did you mean `chatproof check --base-url`?"),
        ("inti", "did you mean init?"),
        ("zzz", "commands: "),
    ],
)
def test_an_unknown_command_is_one_line(capsys: pytest.CaptureFixture[str], word: str, hint: str) -> None:
    code = main([word])
    found = capsys.readouterr()
    assert (code, found.out) == (2, "")
    assert found.err.startswith(f"chatproof: there is no command {word!r}; {hint}")
    assert found.err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "hidden", "line", "extra"),
    [
        ("-m chatproof.harness.command serve", "flask", "chatproof: chatproof serve needs flask, which", "reference"),
        ("-m chatproof.harness.command serve", "gevent", "chatproof: chatproof serve needs gevent, which", "reference"),
        ("-m chatproof.harness.command load run", "locust", "chatproof: chatproof load needs locust, which", "load"),
        ("-m chatproof.loadtests run", "locust", "chatproof: chatproof load needs locust, which", "load"),
        ("-m chatproof.reference_server", "gevent", "reference_server: gevent", "reference"),
        ("-m chatproof.reference_server", "flask_socketio", "reference_server: flask_socketio", "reference"),
    ],
)
def test_a_command_says_which_extra_it_misses(tmp_path: Path, words: str, hidden: str, line: str, extra: str) -> None:
    """And never `pip install chatproof`: nothing is released, so that name may be a stranger's."""
    found = probe(tmp_path, *words.split(), hidden=hidden)
    advice = f"install chatproof with its extra, chatproof[{extra}] (see README.md)"
    assert (found.code, found.out, found.err) == (2, "", f"{line} is not installed: {advice}\n")


def test_suite_and_fakes_need_no_extra(tmp_path: Path) -> None:
    extras = "flask flask_socketio flask_cors gevent simple_websocket redis orjson jwt dotenv locust"
    found = command(tmp_path, "check", *COLLECT, hidden=extras)
    assert found.code == 0, found.out + found.err
    found = probe(tmp_path, *COMMAND, "providers", "--port", "0", until="http://", hidden=f"{extras} uvloop")
    assert found.code == 0, found.err
