"""How the suite is run: with several providers, in several processes, with known failures, from anywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from chatproof.conformance.suite import interruption
from chatproof.fake_providers.dialects.provider_variables import server_variables
from tests.servers.host import FAKES
from tests.servers.judge_process import HOST
from tests.servers.line_process import LineProcess
from tests.suite.running import ERROR, FAIL, OWN, PASS, ROOT, USAGE, XDIST, few_plugins, judged_here, named

ALIKE = ("--situation", "plain")  # what these tests look at is the same in all situations, which take seconds
PLAIN = f"{sys.executable} -m tests.servers.run_server --port {{port}} --variant plain"


def run(
    folder: Path, *words: str, plugins: Sequence[str] | None = (), **environment: str
) -> tuple[int, str, list[dict[str, Any]]]:
    """Run the suite behind its command; gives the exit code, the output and the rows of the report.

    `plugins`: those that pytest loads beside our own; None: all that are installed, as for a user.
    """
    report = folder / "report.json"
    command = [sys.executable, "-m", "chatproof.harness.command", "check", "--report-json", str(report), *words]
    variables = few_plugins(**{"PYTHONPATH": str(ROOT), **environment})
    if plugins is None:
        del variables["PYTEST_DISABLE_PLUGIN_AUTOLOAD"]
    else:
        command += named(OWN, *plugins)
    ran = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=300, check=False)
    output = ran.stdout + ran.stderr
    assert "INTERNALERROR" not in output
    found = json.loads(report.read_text(encoding="utf-8"))["rows"] if report.exists() else []
    return ran.returncode, output, found


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[str, str]]:
    """The URLs of a plain server that runs already, and of the fakes behind it."""
    with LineProcess(HOST) as host:

        def opened(**question: object) -> str:
            return f"http://127.0.0.1:{host.ask(question).result(30)['port']}"

        fakes = opened(open=FAKES)
        yield opened(open="plain", environment=server_variables("openai", fakes, "sk-test")), fakes


def test_each_provider_has_its_rows(tmp_path: Path) -> None:
    """Where a server knows one provider only, the others' rows are red, and say what to look at."""
    start = f"env LLM_PROVIDER=openai {PLAIN}"
    words = ("--start", start, "--provider", "openai,gemini", "--only", "TOK-02,TOK-04")
    code, output, rows = run(tmp_path, *words, *ALIKE)
    assert code == FAIL, output
    found = {(row["id"], row["provider"]): row for row in rows}
    assert list(found) == [("TOK-02", None), ("TOK-04", "openai"), ("TOK-04", "gemini")]
    assert [row["verdict"] for row in rows] == ["passed", "passed", "not testable"]
    assert "as openai, not as gemini: does it use LLM_PROVIDER=gemini?" in rows[2]["seen"]
    assert "failed: TOK-04 (gemini)" in output
    assert "counted for each: openai, gemini" in output


async def test_three_providers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interruption, "MANY_TIMES", interruption.FEW_TIMES)  # each provider's way to cancel is the same
    rows = ["TOK-01,TOK-04,ERR-02,INT-01"]
    found = await judged_here(start=PLAIN, provider=["openai,gemini,local"], only=rows, situation="plain")
    assert found.code == PASS, found.output
    assert len(found.rows) == 10
    assert {row.verdict for row in found.rows} == {"passed"}


async def test_a_provider_that_does_not_come_up_costs_its_rows_only() -> None:
    start = f"sh -c '[ $LLM_PROVIDER = openai ] || {{ echo no such provider; exit 3; }}; exec {PLAIN}'"
    found = await judged_here(start=start, provider=["openai,local"], only=["SSE-01,TOK-05"], situation="plain")
    assert found.code == FAIL, found.output
    assert [row.verdict for row in found.rows] == ["passed", "passed", "not testable"]
    assert "with LLM_PROVIDER=local" in found.rows[2].seen
    assert "no such provider" in found.rows[2].seen


def test_two_workers(tmp_path: Path) -> None:
    """Each has its own server; rows, reports and exit code are those of one run."""
    words = ("--start", PLAIN, "--provider", "openai", "-n", "2", "--only", "REQ,TOK,END-01", *ALIKE)
    code, output, rows = run(tmp_path, *words, plugins=[XDIST])
    assert code == PASS, output
    assert {row["verdict"] for row in rows} == {"passed"}
    assert output.count("chatproof: PASS") == 1


def test_two_workers_and_one_server(tmp_path: Path) -> None:
    """They come from addresses of their own, so that neither spends the other's budget."""
    with subprocess.Popen(
        [sys.executable, "-m", "chatproof.reference_server", "--port", "0"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout
            line = server.stdout.readline()
            url = next(word for word in line.split() if word.startswith("http://"))
            code, output, rows = run(
                tmp_path,
                *("--base-url", url, "-n", "2", "--contract", "1", "--only", "REQ,LIM-01,LIM-02,LIM-05"),
                plugins=[XDIST],
            )
        finally:
            server.terminate()
    assert code == PASS, output
    assert {row["verdict"] for row in rows} == {"passed"}


DYING = """
import os
import psutil
def pytest_runtest_call(item):
    if item.name.startswith("test_a_bare_message") or "refus" in item.name:
        for child in psutil.Process().children(recursive=True):
            child.kill()  # nobody else would end its server
        os._exit(9)
"""


def test_a_worker_that_dies_is_no_pass(tmp_path: Path) -> None:
    (tmp_path / "dying.py").write_text(DYING, encoding="utf-8")
    words = ("--start", PLAIN, "--provider", "openai", "-n", "2", "-p", "dying", "--only", "ERR-04,REQ-01", *ALIKE)
    code, output, rows = run(tmp_path, *words, plugins=[XDIST], PYTHONPATH=f"{ROOT}{os.pathsep}{tmp_path}")
    assert code == ERROR, output
    assert "a worker process died" in output
    assert rows


async def test_a_known_failure_does_not_gate_and_a_stale_one_does(tmp_path: Path) -> None:
    known = tmp_path / "known.toml"
    known.write_text('[known."SSE-10"]\nreason = "ticket 7"\n[known."TOK-02"]\nreason = "ticket 8"\n')
    words = ("--provider", "openai", "--baseline", "known.toml", "--only", "SSE-10,TOK-02", *ALIKE)
    code, output, _ = run(tmp_path, "--start", PLAIN, *words)
    assert code == FAIL, output
    assert "TOK-02 passes, but is a known failure in known.toml: remove it" in output
    known.write_text('[known."TOK-02"]\nreason = "ticket 8"\n')
    late = PLAIN.replace("plain", "count-from-0")
    found = await judged_here(
        start=late, provider=["openai"], baseline=known, only=["SSE-10,TOK-02"], situation="plain"
    )
    assert found.code == PASS, found.output
    assert (found.rows[1].name, found.rows[1].verdict, found.rows[1].known) == ("TOK-02", "violated", "ticket 8")
    assert "ticket 8" in found.output


def test_the_configuration_of_the_current_directory_counts(tmp_path: Path, served: tuple[str, str]) -> None:
    (tmp_path / "chatproof.toml").write_text(f'base-url = "{served[0]}"\nonly = "TOK-02"\nprofile = "core"\n')
    code, output, rows = run(tmp_path)
    assert code == PASS, output
    assert [row["id"] for row in rows] == ["TOK-02"]
    (tmp_path / "chatproof.toml").write_text('profils = "core"\n')
    code, output, _ = run(tmp_path)
    assert code == USAGE
    assert "did you mean profiles?" in output


@pytest.mark.parametrize(
    "words",
    [
        ("-p", "no:base_url"),
        ("-p", "no:asyncio"),
        ("-o", "asyncio_mode=strict"),
        ("-p", "no:xdist", "-p", "no:asyncio", "-W", "error"),
    ],
    ids=["without base-url", "without asyncio", "strict asyncio", "without xdist"],
)
def test_other_plugins(tmp_path: Path, served: tuple[str, str], words: tuple[str, ...]) -> None:
    """Whatever else a user has or has not."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    url, fakes = served
    options = ("--base-url", url, "--provider-url", fakes, "--only", "TOK-04", *ALIKE)
    code, output, rows = run(tmp_path, "-c", "pytest.ini", *options, *words, plugins=None)
    assert code == PASS, output
    assert [row["verdict"] for row in rows] == ["passed"]


SHOWN = "TOK-02,TOK-04,AUTH-01,CORS-01,PERF-02"


async def test_of_a_server_that_declares_nothing_all_is_judged_that_it_shows() -> None:
    judged = await judged_here(start=PLAIN, only=[SHOWN], situation="plain")
    assert judged.code == PASS, judged.output
    found = {(row.requirement.id, row.provider) for row in judged.rows if row.verdict == "passed"}
    behind = {(name, provider) for name in ("TOK-04", "PERF-02") for provider in ("openai", "gemini", "local")}
    assert found == {("TOK-02", None), ("AUTH-01", None), ("CORS-01", None), *behind}
    assert "was not seen to ask" not in judged.output


async def test_what_nobody_declared_and_a_server_does_not_show_is_no_failure_of_its() -> None:
    """It knows OpenAI alone, no tokens and no origins. Declared, the same is red."""
    start = f"env LLM_PROVIDER=openai JWT_SECRET= ALLOWED_ORIGINS= {PLAIN}"
    judged = await judged_here(start=start, only=[SHOWN], situation="plain")
    assert judged.code == PASS, judged.output
    found = {row.requirement.id: (row.verdict, row.provider) for row in judged.rows}
    assert len(found) == len(judged.rows)
    assert {name for name, (verdict, _) in found.items() if verdict == "not applicable"} == {"AUTH-01", "CORS-01"}
    assert found["TOK-04"] == found["PERF-02"] == ("passed", "openai")
    assert "judged with openai: the server was not seen to ask gemini and local" in judged.output
    declared = {"profile": ["auth,cors"], "provider": ["openai"]}
    judged = await judged_here(start=start, only=["AUTH-01,CORS-01"], **declared)
    assert judged.code == FAIL, judged.output
    assert {row.verdict for row in judged.rows} == {"violated"}


def test_a_server_without_sockets_is_told_how_to_say_so(tmp_path: Path) -> None:
    """And what was under way when the first of several sockets was refused is closed: nothing warns of it."""
    start = PLAIN.replace("plain", "without-sockets")
    strict_warnings = {"PYTHONWARNINGS": "error", "PYTEST_ADDOPTS": "-W error"}
    words = ("--start", start, "--provider", "openai", "--only", "SIO", *ALIKE)
    code, output, rows = run(tmp_path, *words, **strict_warnings)
    assert code == FAIL, output
    verdicts = {row["id"]: row["verdict"] for row in rows}
    assert verdicts.pop("SIO-01") == "violated"
    assert set(verdicts.values()) == {"not testable"}
    assert "--profile limits,chat" in output
    assert "unclosed" not in output


def test_the_list_needs_no_server(tmp_path: Path) -> None:
    code, output, _ = run(tmp_path, "--list", "--only", "CORS-01")
    assert code == PASS, output
    assert "CORS-01" in output
    assert "1 row;" in output
