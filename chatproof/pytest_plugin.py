"""The pytest plugin: the options of the conformance suite, and the fixtures of the fake providers.

pytest loads this module in every run where chatproof is installed, and most of these runs have nothing to do with it.
So it imports nothing but pytest until one of its parts is used, and adds the suite's options only to a run that names
the suite.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import pytest

if TYPE_CHECKING:
    from chatproof.fake_providers.dialects.provider_variables import Provider
    from chatproof.fake_providers.testing.inprocess import InProcess
    from chatproof.fake_providers.testing.offline_guard import OfflineGuard
    from chatproof.fake_providers.testing.scripted_fakes import ScriptedFakes
    from chatproof.fake_providers.testing.threaded import ThreadedServer

FakesT = TypeVar("FakesT", "InProcess", "ThreadedServer")

SUITE: Final = "chatproof.conformance"
_FOLDER: Final = Path(__file__).resolve().parent
_SUITE_FOLDER: Final = (_FOLDER / "conformance").resolve()
_ALLOW: Final = "offline_allow"
_STRICT: Final = "fake_strict"
_SETTINGS: Final = ("pace", "unscripted", "exhausted", "never_asked")
_ESCAPED: Final = pytest.StashKey[bool]()
_FAKES: Final[pytest.StashKey[list[ScriptedFakes]]] = pytest.StashKey()  # to be checked when the test has ended
_TAKEN: Final = pytest.StashKey[list[str]]()  # in a run that names the suite

# -- the suite


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the settings of guard and fakes. The suite's come once the first conftest.py files have added theirs."""
    parser.addini(_ALLOW, "hosts that tests may reach although chatproof's offline_guard is on", "args", default=[])
    for name in _SETTINGS:
        parser.addini(f"fake_{name}", f"{name} of chatproof's fake providers in tests: see docs/testing.md", default="")
    record = (
        "record the cassettes of tests with the marker fake_cassette: those that are missing, or all (default: none)"
    )
    with suppress(ValueError):  # another plugin has the option
        parser.getgroup("chatproof-fakes", "chatproof: fake providers in tests").addoption(
            "--fake-record", choices=("missing", "all"), help=record
        )
    parser.addini(_STRICT, "whether the fake_… fixtures refuse unknown models, as real APIs do", "bool", default=True)
    loaded = (getattr(plugin, "__file__", None) or "" for plugin in pluginmanager.get_plugins())
    if any(Path(file).name == "conftest.py" for file in loaded):  # one of them registered this plugin
        config = pluginmanager.get_plugin("pytestconfig")
        assert isinstance(config, pytest.Config)
        _add_suite_options(config, parser)


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser
) -> Generator[None, object, object]:
    """Add the suite's options."""
    try:
        return (yield)
    finally:
        _add_suite_options(early_config, parser)


def _add_suite_options(config: pytest.Config, parser: pytest.Parser) -> None:
    """Where this run names the suite, add its options, except those that a conftest.py or a plugin defines too."""
    if _TAKEN in config.stash or not _names_suite(config):
        return
    from chatproof.harness.common.options import OPTIONS, add_options

    taken = [one.name for one in OPTIONS if one.is_ours and any(_is_known(parser, flag) for flag in one.flags)]
    add_options(parser, taken)
    config.stash[_TAKEN] = [name for name in taken if name != "base-url"]  # whose ever it is, it means the same


def _is_known(parser: pytest.Parser, flag: str) -> bool:
    """Whether somebody has added it. pytest tells only when it is too late: where two have."""
    try:
        return flag not in parser.parse_known_and_unknown_args([flag])[1]
    except pytest.UsageError as error:  # it needs a value; or it is another option that is required
        return re.search(rf"{flag}\b(?!-)", str(error)) is not None


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say which of the suite's options the project has taken."""
    if not config.stash.get(_TAKEN, []):
        return None
    flags = ", ".join(f"--{name}" for name in config.stash[_TAKEN])
    return f"chatproof: a conftest.py or plugin defines {flags} too, so the suite does not; `chatproof check` does"


def _names_suite(config: pytest.Config) -> bool:
    """Whether a word of the command line, of PYTEST_ADDOPTS or of `addopts` is the suite, or the run begins in it."""
    start = config.invocation_params.dir
    return _is_in_suite(start) or any(_is_suite(word, start) for word in _words(config))


def _words(config: pytest.Config) -> list[str]:
    words = [str(word) for word in config.invocation_params.args]
    return [*words, *shlex.split(os.environ.get("PYTEST_ADDOPTS", "")), *config.getini("addopts")]


def _is_suite(word: str, start: Path) -> bool:
    name = word.partition("::")[0]
    return name == SUITE or name.startswith(f"{SUITE}.") or _is_in_suite(start / name)


def _is_in_suite(path: Path) -> bool:
    try:
        return path.resolve().is_relative_to(_SUITE_FOLDER)
    except (OSError, ValueError):  # a word that is no path: too long, or with a NUL in it
        return False


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Serve `--list`, which needs no server and runs no test."""
    if _TAKEN not in config.stash:
        return None
    from chatproof.harness.common.errors import ChatproofError
    from chatproof.harness.common.options import given
    from chatproof.harness.report.listing import listing

    options = given(vars(config.option))
    if not options["list_rows"]:
        return None
    try:
        lines = listing(options, [config.invocation_params.dir, config.rootpath])
    except ChatproofError as error:
        raise pytest.UsageError(f"chatproof: {error}") from error
    try:
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()
    except BrokenPipeError:  # the reader closed the pipe, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def pytest_configure(config: pytest.Config) -> None:
    """Register the suite's marker, and the suite's hooks if this run tests with the suite.

    The suite's conftest registers the hooks too. But with `--pyargs` the controller of pytest-xdist never loads it:
    the run would report nothing and succeed.
    """
    settings = ", ".join(f"{name}=…" for name in _SETTINGS)
    config.addinivalue_line("markers", f"fake_providers({settings}): settings of this test's fake providers")
    config.addinivalue_line("markers", "fake_cassette: record this test's replies of real providers once, then replay")
    config.addinivalue_line("markers", "requirement(*ids): the rows of the contract that a conformance test judges")
    start = config.invocation_params.dir
    if _TAKEN in config.stash and any(_is_suite(word, start) for word in config.args):
        from chatproof.conformance.suite.hooks import SuitePlugin

        SuitePlugin.register(config)


# -- the fake providers


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Fail the test for what its fakes were asked and should not have been. Note when the guard's own error failed it,
    so that it is reported once.
    """
    try:
        result = yield
    except BaseException as problem:
        for complaint in _complaints(pyfuncitem, failed=True):
            problem.add_note(complaint)
        if _ESCAPED in pyfuncitem.stash:
            from chatproof.fake_providers.testing.offline_guard import EscapedTraffic

            pyfuncitem.stash[_ESCAPED] = isinstance(problem, EscapedTraffic)
        raise
    if complaints := _complaints(pyfuncitem):
        pytest.fail("\n".join(complaints), pytrace=False)
    return result


def _complaints(node: pytest.Item, *, failed: bool = False) -> list[str]:
    """What the test's fakes have to say of it; only once. `failed`: what was not asked is no news then."""
    complaints: list[str] = []
    for fakes in node.stash.get(_FAKES, []):
        try:
            fakes.assert_all_scripted() if failed else fakes.check()
        except AssertionError as complaint:
            complaints.append(str(complaint))
    node.stash[_FAKES] = []
    return complaints


@pytest.fixture
def offline_guard(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[OfflineGuard]:
    """Fails the test if its traffic would leave the machine. `usefixtures = offline_guard` in the ini: all tests."""
    from chatproof.fake_providers.testing.offline_guard import OfflineGuard

    if "LITELLM_LOCAL_MODEL_COST_MAP" not in os.environ:
        monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # it fetches its price list when it is imported
    stash = request.node.stash
    stash[_ESCAPED] = False
    guard = OfflineGuard(request.config.getini(_ALLOW))
    with guard.watching():
        yield guard
    if not stash[_ESCAPED]:
        guard.check()


@pytest.fixture
def fake_openai(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, offline_guard: OfflineGuard
) -> Iterator[InProcess]:
    """A fake OpenAI in this process, for httpx and httpx2: `plays`, `says`, `calls`, `fails`, `script`, `journal`."""
    yield from _in_process("openai", request, monkeypatch, offline_guard)


@pytest.fixture
def fake_gemini(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, offline_guard: OfflineGuard
) -> Iterator[InProcess]:
    """A fake Gemini in this process, for httpx and httpx2: `plays`, `says`, `calls`, `fails`, `script`, `journal`."""
    yield from _in_process("gemini", request, monkeypatch, offline_guard)


@pytest.fixture
def fake_anthropic(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, offline_guard: OfflineGuard
) -> Iterator[InProcess]:
    """A fake Anthropic in this process, for httpx and httpx2, as its official clients need it."""
    yield from _in_process("anthropic", request, monkeypatch, offline_guard)


@pytest.fixture
def fake_local(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, offline_guard: OfflineGuard
) -> Iterator[InProcess]:
    """A fake Ollama, llama.cpp, vLLM or LM Studio in this process, for httpx and httpx2."""
    yield from _in_process("local", request, monkeypatch, offline_guard)


@pytest.fixture
def fake_server(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, offline_guard: OfflineGuard
) -> Iterator[ThreadedServer]:
    """All fake providers over HTTP, for every client and every process that inherits the variables."""
    from typing import get_args

    from chatproof.fake_providers.dialects.provider_variables import Provider
    from chatproof.fake_providers.testing.fixture_kit import running
    from chatproof.fake_providers.testing.threaded import ThreadedServer

    with running(ThreadedServer, get_args(Provider), request, monkeypatch, offline_guard) as server:
        yield from _checked(server, request.node)


def _in_process(
    provider: Provider, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, guard: OfflineGuard
) -> Iterator[InProcess]:
    from functools import partial

    from chatproof.fake_providers.testing.fixture_kit import running
    from chatproof.fake_providers.testing.inprocess import InProcess

    with running(partial(InProcess, provider), [provider], request, monkeypatch, guard) as fakes:
        yield from _checked(fakes, request.node)


def _checked(fakes: FakesT, node: pytest.Item) -> Iterator[FakesT]:
    """Give the fakes to the test. They are checked when its function has ended."""
    node.stash.setdefault(_FAKES, []).append(fakes)
    yield fakes
    if complaints := _complaints(node):  # nobody called pytest_pyfunc_call: a test of unittest
        pytest.fail("\n".join(complaints), pytrace=False)
