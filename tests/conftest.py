"""What all tests share."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Any, Final

import pytest

# With pytest-xdist a run takes as long as its slowest worker: what takes longest begins first.
LONGEST: Final = (
    *("foreign/test_express_server.py", "foreign/test_fastapi_server.py"),
    *("suite/test_average_server.py", "suite/test_crashes.py"),
    *(
        "suite/test_on_github.py",
        "suite/test_running.py",
        "browser",
        "suite/test_entries.py",
        "test_packaging.py",
        "suite/test_hostile.py",
    ),
    *("reference_server/test_robustness_replies.py", "loadtests/test_command.py", "suite/test_bad_input.py"),
    *("reference_server/test_workers.py", "reference_server/test_end_to_end.py", "loadtests/test_distributed.py"),
    *("reference_server/test_robustness_sockets.py", "suite/test_reports.py"),
    *("reference_server/test_robustness_connections.py", "fake_providers/test_record.py", "suite/test_end_to_end.py"),
)


def _unit(nodeid: str) -> str:
    """What one worker takes as a whole: a file, or the folder whose tests share a browser and a server."""
    file = nodeid.partition("::")[0].removeprefix("tests/")
    return "browser" if file.startswith("browser/") else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """For `--dist loadfile`: hand out what `_unit` names, in the order in which it was collected."""
    from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]  # it ships no types

    if config.option.dist != "loadfile":
        return None
    config.option.loadscopereorder = False  # by the number of tests, which says little of how long they take
    scheduling = LoadFileScheduling(config, log)
    scheduling._split_scope = _unit
    return scheduling


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first."""
    place = {unit: number for number, unit in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(_unit(item.nodeid), len(place)))


@pytest.fixture(scope="session", autouse=True)
def _runs_within_say_the_same_everywhere() -> Iterator[None]:
    """pytest prints other summary lines where it runs in CI (`running_on_ci` of its docs), also in the runs that these
    tests start and read. The outer run keeps its own: it prints after this fixture has ended. On GitHub, broken servers
    of our own must not be annotated.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in ("CI", "BUILD_NUMBER", "PYTEST_ADDOPTS", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session", autouse=True)
def _certificates_are_read_once() -> Iterator[None]:
    """httpx and google-genai load the certificates of all authorities for each new client, which takes 30 ms of CPU
    time, although nearly all servers of the tests speak plain HTTP. Clients that name the same file share one context.
    """
    create, made = ssl.create_default_context, dict[tuple[object, object], ssl.SSLContext]()

    def create_once(*arguments: Any, **named: Any) -> ssl.SSLContext:
        if arguments or not named.get("cafile") or not named.keys() <= {"cafile", "capath"}:
            return create(*arguments, **named)
        key = named.get("cafile"), named.get("capath")
        if key not in made:
            made[key] = create(**named)
        return made[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl, "create_default_context", create_once)
        yield
