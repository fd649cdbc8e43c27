"""`chatproof load` as its users see it: figures, files, exit codes, and one clear line for what is wrong.

The commands mostly wait: those of the whole module run side by side in one process, and each test looks at its own.
"""

from __future__ import annotations

import errno
import itertools
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import jwt
import pytest

from chatproof.harness.common.started_server import free_port
from chatproof.loadtests.calibration.calibrate import serving
from chatproof.loadtests.calibration.known_script import KnownScript
from chatproof.loadtests.load_command import main
from chatproof.loadtests.load_plan import SHAPES, Arrivals, LoadPlan
from chatproof.loadtests.managed_server import managed_server
from tests.loadtests.commands import Commands, Made
from tests.loadtests.exposition import samples
from tests.loadtests.kit import HEAD, HOLD, LAST, ROOT, Step, chunk, done, event, playing, reply, steady, token
from tests.loadtests.screens import chromium
from tests.timing import timed

IN_USE = os.strerror(errno.EADDRINUSE)
HTML = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 15\r\n\r\n<html>hi</html>"
LIMITED = b"HTTP/1.1 429 Too Many\r\nContent-Length: 0\r\nRetry-After: 60\r\n\r\n"
SHORT = ["--no-calibration", "--duration", "2", "--drain", "5"]
SLOWED = """
about = "Slower than any objective: the first token after three seconds."
[timing]
first_token_ms = 3000
[[steps]]
text = "Late, but whole."
"""
REFERENCE = "python -m reference_server --port {port}"
SIDE_BY_SIDE = 4

Load = Callable[..., Made]
Job = Callable[[Load, Path], Made]
JOBS: dict[str, Job] = {}


@pytest.fixture(scope="module")
def load() -> Iterator[Load]:
    """Runs `chatproof load` with these words."""
    commands = Commands()
    yield commands.run
    commands.close()


def job(function: Job) -> Job:
    JOBS[function.__name__] = function
    return function


@pytest.fixture(scope="module")
def ran(load: Load, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Any]:
    """What became of a job, by its name, and the folder that it had."""
    folders = {name: tmp_path_factory.mktemp("job") for name in JOBS}
    futures: dict[str, Future[Made]] = {}
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        if sum(item.path == request.path for item in request.session.items) > SIDE_BY_SIDE:  # else what is asked for
            futures |= {name: pool.submit(one, load, folders[name]) for name, one in JOBS.items()}

        def result(name: str) -> tuple[Made, Path]:
            if name not in futures:
                futures[name] = pool.submit(JOBS[name], load, folders[name])
            return futures[name].result(), folders[name]

        yield result
        pool.shutdown(cancel_futures=True)


def document_in(folder: Path, name: str = "run.json") -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / name).read_text())
    return document


# -- the longest first


def search(folder: Path) -> Made:
    """As a process of its own: beside others the client would say that its own error is too large."""
    with playing(0.15, *reply(1), serial=True) as target:  # 6.6 streams a second for ever, some more for a while
        words = ["search", "--host", target.url, "--from", "8", "--to", "16", "--each", "1.5", "--drain", "20"]
        words += ["--slo", "ttft_p95<900ms", "--no-calibration", "--json", str(folder / "run.json")]
        command = [sys.executable, "-m", "chatproof.harness.command", "load", *words]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


@timed
def test_search_finds_a_rate(tmp_path: Path) -> None:
    made = search(tmp_path)
    assert made.returncode == 0, made.stdout + made.stderr
    last = made.stdout.splitlines()[-1]
    assert 8 <= float(last.partition("objectives: ")[2].split()[0]) < 12, last
    document = document_in(tmp_path)
    assert document["verdict"] == "passed"
    found = document["search"]
    assert found["low"] < found["high"] <= found["low"] / 0.9 + 0.01
    assert found["stopped_by"] == ["ttft_p95<900ms"]
    assert "streams/s it is missed: ttft_p95<900ms: " in last


@job
def saturated(load: Load, folder: Path) -> Made:
    """Five streams a second are served, twenty begin."""
    with playing(0.2, *reply(1), serial=True) as target:
        words = ["run", "--host", target.url, "--no-calibration", "--rate", "20", "--duration", "60", "--drain", "1"]
        words += ["--stop-when-saturated", "--slo", "ttft_p50<60s"]
        return load(*words, "--json", str(folder / "run.json"))


def test_a_server_that_falls_behind_ends_the_run(ran: Any) -> None:
    made, folder = ran("saturated")
    assert made.returncode == 1, made.stdout + made.stderr
    document = document_in(folder)
    assert document["meta"]["seconds"] < 40
    assert document["meta"]["overload"]["later"] > document["meta"]["overload"]["earlier"]
    assert "MISSED the server falls behind: in the last" in made.stdout


@job
def known_server(load: Load, folder: Path) -> Made:
    """The calibration server sends its first token after 200 ms, and no client can say whether it took less."""
    with serving(KnownScript(0.2, 0.01, 20)) as port:
        host = ["--host", f"http://127.0.0.1:{port}", "--slo"]
        # a limit that no client's error reaches, however busy the machine is
        searched = load("search", *host, "ttft_p95<20s", "--from", "4", "--to", "6", "--each", "1", "--no-calibration")
        (folder / "searched").write_text(f"{searched.returncode}\n{searched.stdout}")
        limits = "ttft_p50<200ms,ttft_p50<100s,tokens_per_second_p5>2"
        words = ["--users", "2", "--duration", "2", "--json", str(folder / "run.json")]
        return load("run", *host, limits, *words)


def test_what_is_sure_is_judged_and_what_lies_within_the_error_is_not(ran: Any) -> None:
    made, folder = ran("known_server")
    assert made.returncode == 2, made.stdout + made.stderr
    objectives = document_in(folder)["objectives"]
    assert [one["verdict"] for one in objectives] == ["not judged", "kept", "kept"]
    assert objectives[0]["low"] <= 0.2 <= objectives[0]["high"]
    assert "(the limit lies within the client's own error: use fewer users" in made.stdout
    code, *lines = (folder / "searched").read_text().splitlines()
    assert code == "0"
    assert "objectives: at least 6 streams/s: all objectives are kept at the highest rate" in lines[-1]


@job
def slow_thirds(load: Load, folder: Path) -> Made:
    """Every third stream has a late first token; the file says how many there were."""
    asked = itertools.count()

    def answer(request: bytes) -> list[Step]:
        return [0.6 if next(asked) % 3 == 2 else 0.05, *reply(2)]

    with playing(answer) as target:
        words = ["run", "--host", target.url, "--users", "3", *SHORT, "--slo", "ttft_p95<300ms,complete_share>=99%"]
        made = load(*words, "--json", str(folder / "run.json"))
    (folder / "asked").write_text(str(next(asked)))
    return made


def test_goodput_is_the_share_of_streams_that_keep_all_objectives(ran: Any) -> None:
    made, folder = ran("slow_thirds")
    assert made.returncode == 1, made.stdout + made.stderr
    found = document_in(folder)["goodput"]
    asked = int((folder / "asked").read_text())
    assert found["of"] == asked > 15
    assert found["good"] == asked - asked // 3
    assert found["share_low"] <= 200 / 3 <= found["share_high"]
    assert found["rate"] == pytest.approx(found["good"] / found["seconds"])
    assert 1.9 < found["seconds"] < 7
    assert (found["objectives"], found["left_out"]) == (["ttft_p95<300ms"], [])
    assert f"goodput: {found['good']} of {asked} streams keep all objectives: " in made.stdout


@job
def repeated(load: Load, folder: Path) -> Made:
    """Three runs; the first replies of each are slow, and warm-up."""
    begun: dict[str, float] = {}

    def answer(request: bytes) -> list[Step]:
        now = time.monotonic()
        if now - begun.get("last", 0.0) > 1.0:  # nobody asked for a while: another run begins
            begun["run"] = now
        begun["last"] = now
        return [0.25 if now - begun["run"] < 0.5 else 0.01, *steady(3, 0.01)]

    with playing(answer) as target:
        words = ["run", "--host", target.url, "--users", "2", "--duration", "2", "--no-calibration", "--runs", "3"]
        return load(*words, "--warm-up", "1.2", "--slo", "ttft_p95<5s", "--json", str(folder / "run.json"))


def test_repeats_and_their_warm_up(ran: Any) -> None:
    made, folder = ran("repeated")
    assert made.returncode == 0, made.stdout + made.stderr
    document = document_in(folder)
    assert document["trust"]["warm-up"] > 6
    assert document["metrics"]["ttft"]["max"] < 0.24
    assert document["meta"]["runs"] == len(document["repeats"]["each"]) == 3
    assert sum(one["streams"] for one in document["repeats"]["each"]) == document["outcomes"]["complete"]
    p95 = document["repeats"]["figures"]["ttft"]["p95"]
    assert p95["mean"] == pytest.approx(statistics.fmean(p95["values"]))
    assert p95["low"] <= p95["mean"] <= p95["high"]
    assert document["objectives"][0]["value"] == pytest.approx(p95["mean"])
    assert "run 3 of 3" in made.stderr
    assert "over 3 runs: the mean" in made.stdout


def _gate(load: Load, message: str, folder: Path, *words: str) -> Made:
    (folder / "slowed.toml").write_text(SLOWED)
    start = ["run", "--start", REFERENCE, "--scripts", str(folder), "--users", "3", "--message", message, *words]
    return load(*start, "--slo", "ttft_p95<2500ms,complete_share>=99%", "--json", str(folder / "run.json"))


SCREENSHOTS = os.environ.get("CHATPROOF_SCREENSHOTS")  # the folder for pictures: then the run is worth one


@job
def green(load: Load, folder: Path) -> Made:
    longer = ["--duration", "20", "--users", "16", "--think", "0..1"] if SCREENSHOTS else ["--duration", "3"]
    return _gate(load, "scenario paced", folder, *longer, "--report-html", str(folder / "run.html"))


@job
def red(load: Load, folder: Path) -> Made:
    return _gate(load, "scenario slowed", folder, "--duration", "4", "--no-calibration")


def test_the_gate_is_green_on_a_quick_provider(ran: Any) -> None:
    made, folder = ran("green")
    assert made.returncode == 0, made.stdout + made.stderr
    document = document_in(folder)
    assert document["calibration"]["replies"] == 2 * document["calibration"]["streams"]
    assert document["metrics"]["overhead"]["count"] > 0
    assert document["metrics"]["overhead"]["percentiles"]["p50"] < 1


def test_the_report_of_a_run_in_chromium(ran: Any) -> None:
    _, folder = ran("green")
    with chromium(offline=True) as open_page:
        report = open_page(f"file://{folder / 'run.html'}")
        assert report.title() == "chatproof load: passed"
        assert report.locator("path.token").count() > 3, "the sampled streams' tokens"
        if SCREENSHOTS:
            top = report.locator("h2", has_text="Over time").bounding_box()["y"] - 8
            raster = report.locator(".wide").bounding_box()
            clip = {"x": 0, "y": top, "width": 1200, "height": raster["y"] + raster["height"] + 12 - top}
            report.screenshot(path=Path(SCREENSHOTS) / "load.png", full_page=True, clip=clip)


def test_the_gate_is_red_on_a_slow_one(ran: Any) -> None:
    made, _ = ran("red")
    assert made.returncode == 1, made.stdout + made.stderr
    assert "MISSED ttft_p95<2500ms: 3." in made.stdout


# -- users


@pytest.fixture(scope="module")
def reference() -> Iterator[tuple[str, str]]:
    """The reference server, and its fakes."""
    with managed_server(REFERENCE) as (target, fakes_url):
        yield target.url, fakes_url


TRANSPORTS = ("socketio", "session", "interrupt", "socket-interrupt", "plain")


@pytest.fixture(scope="module")
def users(
    load: Load, reference: tuple[str, str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[Made, Path]]:
    """A short run of each kind of user, all at once on one server."""
    folder = tmp_path_factory.mktemp("users")

    def one(transport: str) -> tuple[Made, Path]:
        slo = "plain_p50<30s" if transport == "plain" else "ttft_p50<30s"
        words = ["run", "--host", reference[0], "--provider-url", reference[1], "--users", "2", *SHORT, "--slo", slo]
        path = folder / f"{transport}.json"
        # a socket that asks more often than one address may: its user takes another one
        message = "scenario hello" if transport == "socketio" else "scenario paced"
        return load(*words, "--transport", transport, "--message", message, "--json", str(path)), path

    with ThreadPoolExecutor(len(TRANSPORTS)) as pool:
        return dict(zip(TRANSPORTS, pool.map(one, TRANSPORTS), strict=True))


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_other_users(users: dict[str, tuple[Made, Path]], transport: str) -> None:
    made, path = users[transport]
    document = document_in(path.parent, path.name)
    assert made.returncode == 0, made.stdout + made.stderr
    wanted = "interrupted" if "interrupt" in transport else "complete"
    assert set(document["outcomes"]) <= {wanted, "complete", "unfinished"}  # a reply may be over before it is stopped
    assert document["outcomes"][wanted] > 0
    if wanted == "interrupted":
        assert document["metrics"]["upstream_cancel"]["count"] > 0
        assert document["metrics"]["stop_to_last_token"]["percentiles"]["p50"] < 2


KEY = "a-key-of-at-least-thirty-two-bytes!!"


def _judged_by_jwt(request: bytes) -> list[Step]:
    """Whoever shows a good token is let in, and hears as many tokens as the message asks for."""
    head, _, body = request.partition(b"\r\n\r\n")
    shown = next(line for line in head.decode().split("\r\n") if line.startswith("Authorization: Bearer "))
    name = jwt.decode(shown.removeprefix("Authorization: Bearer "), KEY, ["HS256"])["sub"]
    tokens = {"say two": 2, "say five": 5}[json.loads(body)["message"]]
    return steady(tokens, 0.01) if name in ("ann", "bob", "cy") else [HTML]


@job
def messages_and_jwts(load: Load, folder: Path) -> Made:
    """Users of three names, who say two things, by turns."""
    tokens = [jwt.encode({"sub": name}, KEY, "HS256") for name in ("ann", "bob", "cy")]
    (folder / "jwts").write_text("\n".join([*tokens, ""]))
    (folder / "messages").write_text("say two\n\nsay five\n")
    with playing(_judged_by_jwt) as target:
        words = ["run", "--host", target.url, "--messages", str(folder / "messages"), "--users", "2", *SHORT]
        words += ["--jwt", f"@{folder / 'jwts'}", "--slo", "complete_share>=100%"]
        return load(*words, "--json", str(folder / "run.json"), "--report-html", str(folder / "run.html"))


def test_messages_and_jwts_from_files(ran: Any) -> None:
    made, folder = ran("messages_and_jwts")
    assert made.returncode == 0, made.stdout + made.stderr
    document = document_in(folder)
    assert {len(one["tokens"]) for one in document["streams"] if one["outcome"] == "complete"} == {2, 5}
    assert document["trust"]["checked"] > 0
    for secret in (folder / "jwts").read_text().split():
        for text in (made.stdout, made.stderr, (folder / "run.json").read_text(), (folder / "run.html").read_text()):
            assert secret not in text


# -- what counts as the first token, and what cannot be judged

EMPTY = chunk(event({"token": "", "count": 0, "partial": ""}))


@job
def empty_first(load: Load, folder: Path) -> Made:
    """An empty token at once, and text after two seconds."""
    with playing(HEAD + EMPTY, 2.0, *reply()[1:]) as target:
        words = ["run", "--host", target.url, "--users", "2", *SHORT, "--slo", "ttft_p95<1s"]
        return load(*words, "--report-json", str(folder / "run.json"))


def test_the_first_token_is_the_first_text(ran: Any) -> None:
    made, folder = ran("empty_first")
    assert made.returncode == 1, made.stdout + made.stderr
    assert 2.0 <= document_in(folder)["metrics"]["ttft"]["min"] < 4.0
    assert "MISSED ttft_p95<1s: 2." in made.stdout


@job
def bundles(load: Load, folder: Path) -> Made:
    """It flushes every fifth event."""
    bundles = [
        part for first in (1, 6, 11) for part in (b"".join(chunk(event(token(first + n))) for n in range(5)), 0.1)
    ]
    with playing(HEAD, *bundles, chunk(event(done(15))) + LAST) as target:
        words = [
            "run",
            "--host",
            target.url,
            "--users",
            "2",
            *SHORT,
            "--slo",
            "inter_token_p50<50ms,largest_gap_p95<30s",
        ]
        return load(*words, "--report-json", str(folder / "run.json"))


def test_times_between_bundled_tokens_are_not_judged(ran: Any) -> None:
    made, folder = ran("bundles")
    assert made.returncode == 2, made.stdout + made.stderr
    assert "?????? inter_token_p50<50ms" in made.stdout
    assert "80 % of the tokens came in one read with the token before, so their own times are not known" in made.stdout
    assert [one["verdict"] for one in document_in(folder)["objectives"]] == ["not judged", "kept"]


# -- a run, its files, and how it arrives


@job
def a_run(load: Load, folder: Path) -> Made:
    files = ["--json", "run.json", "--csv", "run", "--report-html", "run.html", "--report-prometheus", "run.prom"]
    files = [one if one.startswith("--") else str(folder / one) for one in files]
    with playing(*steady()) as target:
        words = ["run", "--host", target.url, "--users", "3", *SHORT, "--slo", "ttft_p95<5s,complete_share>=99%"]
        return load(*words, *files)


def test_a_run_and_its_files(ran: Any) -> None:
    made, folder = ran("a_run")
    assert made.returncode == 0, made.stdout + made.stderr
    document = document_in(folder)
    complete = document["outcomes"]["complete"]
    assert complete > 10
    assert document["verdict"] == "passed"
    assert document["metrics"]["ttft"]["count"] == complete
    assert document["metrics"]["inter_token"]["count"] == 4 * complete
    assert sum(second["tokens"] for second in document["series"]) == 5 * complete
    assert sum(sum(second["inter_token"]["counts"][1::2]) for second in document["series"]) == 4 * complete
    assert document["trust"]["checked"] >= 1
    assert len((folder / "run_metrics.csv").read_text().splitlines()) > 5
    assert f'streams_total{{outcome="complete"}} {complete}\n' in (folder / "run.prom").read_text()
    assert "<title>chatproof load: passed</title>" in (folder / "run.html").read_text()
    progress = [line for line in made.stderr.splitlines() if "under way" in line]
    assert 1 <= len(progress) <= 3
    assert "PASSED" in made.stdout.splitlines()[-1]


@job
def scraped(load: Load, folder: Path) -> Made:
    """As Prometheus does it, but without a pause: the figures while the run goes on."""
    port = free_port()
    with playing(*steady()) as target, ThreadPoolExecutor(1) as pool:
        words = ["run", "--host", target.url, "--users", "3", *SHORT, "--slo", "ttft_p95<5s", "--prometheus-port", port]
        made = pool.submit(load, *map(str, words), "--json", str(folder / "run.json"))
        scrapes = []
        while not made.done():
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                scrapes.append(answer.read().decode())
            time.sleep(0.1)  # the run must not be late because of whoever looks at it
        (folder / "scrapes.json").write_text(json.dumps(scrapes))
        return made.result()


def test_live_figures_for_prometheus(ran: Any) -> None:
    made, folder = ran("scraped")
    assert made.returncode == 0, made.stdout + made.stderr
    assert re.search(r"live figures for Prometheus: http://127\.0\.0\.1:\d+/metrics\n", made.stderr)
    scrapes = [samples(one) for one in json.loads((folder / "scrapes.json").read_text()) if one]
    live = [one for one in scrapes if one["chatproof_load_running"][""] and "chatproof_load_ttft_seconds_count" in one]
    assert len(live) >= 3
    whole = document_in(folder)["metrics"]
    for name in ("ttft", "inter_token"):
        counts = [one[f"chatproof_load_{name}_seconds_count"][""] for one in live]
        assert counts == sorted(counts)
        assert counts[0] < counts[-1] <= whole[name]["count"], "the figures grow while the run goes on"
        assert live[-1][f"chatproof_load_{name}_seconds_bucket"]['le="+Inf"'] == counts[-1]
    assert {one["chatproof_load_streams_under_way"][""] for one in live} <= {0, 1, 2, 3}
    assert max(one["chatproof_load_streams_under_way"][""] for one in live) >= 2


def _shaped(shape: str, load: Load, folder: Path) -> Made:
    with playing(*steady(2, 0.01)) as target:
        words = ["run", "--host", target.url, "--shape", shape, "--rate", "12", "--duration", "4", "--no-calibration"]
        return load(*words, "--slo", "ttft_p50<5s", "--json", str(folder / "run.json"))


for _shape in ("steps", "spike", "soak"):
    JOBS[_shape] = partial(_shaped, _shape)


@pytest.mark.parametrize("shape", ["steps", "spike", "soak"])
def test_shapes_as_whole_runs(ran: Any, shape: str) -> None:
    """Streams begin when the plan has them begin, counted from its own beginning."""
    assert shape in SHAPES
    made, folder = ran(shape)
    assert made.returncode == 0, made.stdout + made.stderr
    begun = document_in(folder)["meta"]["started"]
    starts = sorted(one["start"] - begun for one in document_in(folder)["streams"])
    late = [start - due for start, due in zip(starts, Arrivals(LoadPlan(12, 4, shape)).starts(), strict=True)]
    usual = statistics.median(late)
    assert 0 <= usual < 2
    assert statistics.median(abs(one - usual) for one in late) < 0.15


@job
def open_loop(load: Load, folder: Path) -> Made:
    with playing(0.2, *reply(1), serial=True) as target:
        slow = ["run", "--host", target.url, "--no-calibration", "--slo", "ttft_max<60s", "--drain", "20"]
        return load(*slow, "--json", str(folder / "run.json"), "--rate", "10", "--duration", "2")


@job
def closed_loop(load: Load, folder: Path) -> Made:
    with playing(0.2, *reply(1), serial=True) as target:
        slow = ["run", "--host", target.url, "--no-calibration", "--slo", "ttft_max<60s", "--drain", "20"]
        return load(*slow, "--json", str(folder / "run.json"), "--users", "1", "--duration", "2")


def test_an_open_loop_waits_for_nobody(ran: Any) -> None:
    """A server that serves one at a time, slower than they come: latency is the queue's, from the intended start."""
    opened, closed = document_in(ran("open_loop")[1]), document_in(ran("closed_loop")[1])
    assert opened["outcomes"] == {"complete": 20}
    assert opened["metrics"]["ttft"]["max"] > 2.0
    assert closed["metrics"]["ttft"]["max"] < 1.5


@job
def interrupted(load: Load, folder: Path) -> Made:
    """As a process of its own, which can be interrupted."""
    with playing(*steady()) as target:
        words = ["run", "--host", target.url, "--users", "2", "--duration", "60", "--no-calibration"]
        process = subprocess.Popen(
            [sys.executable, "-m", "chatproof.harness.command", "load", *words, "--json", str(folder / "run.json")],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        while "under way" not in (line := process.stderr.readline()):
            assert line, "it ended before it began"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    return subprocess.CompletedProcess([], process.returncode, out, err)


def test_ctrl_c_keeps_the_figures(ran: Any) -> None:
    made, folder = ran("interrupted")
    assert made.returncode == 2, made.stdout + made.stderr
    document = document_in(folder)
    assert document["meta"]["interrupted"]
    assert document["outcomes"]["complete"] > 0
    assert "INTERRUPTED" in made.stdout


for _transport in ("sse", "socketio"):
    JOBS[f"calibrate {_transport}"] = partial(
        lambda transport, load, folder: load("calibrate", "--users", "3", "--transport", transport), _transport
    )


@pytest.mark.parametrize("transport", ["sse", "socketio"])
def test_calibration_tells_the_clients_error(ran: Any, transport: str) -> None:
    made, _ = ran(f"calibrate {transport}")
    assert made.returncode == 0, made.stderr
    assert f"calibration: 3 streams over {transport}: the client's own error is" in made.stderr


# -- what is wrong

NOWHERE = ["run", "--host", "http://127.0.0.1:1"]
WRONG: dict[str, tuple[list[str], str]] = {
    "dead host": (NOWHERE, "no connection to 127.0.0.1:1: Connection refused"),
    "scheme": (["run", "--host", "ftp://x"], "is not an http:// or https:// URL"),
    "a password in a URL": (["run", "--host", "ftp://ann:hunter22@x"], "'ftp://ann:[redacted]@x' is not an http"),
    "objective": ([*NOWHERE, "--slo", "tfft_p95<1s"], "did you mean ttft?"),
    "two loops": ([*NOWHERE, "--users", "2", "--rate", "3"], "not both"),
    "messages": ([*NOWHERE, "--messages", "/nowhere/x"], "cannot read /nowhere/x"),
    "folder": ([*NOWHERE, "--json", "/nowhere/x"], "the folder /nowhere does not exist"),
    "report's folder": ([*NOWHERE, "--report-html", "/nowhere/x"], "--report-html: the folder /nowhere does not exist"),
    "a folder for a file": ([*NOWHERE, "--report-prometheus", "/tmp"], "--report-prometheus: /tmp is a folder"),
    "time": ([*NOWHERE, "--duration", "soon"], "is not a duration"),
    "port": ([*NOWHERE, "--prometheus-port", "70000"], "'70000' is not a port, 0 to 65535"),
    "processes": ([*NOWHERE, "--processes", "900"], "--processes must be 0 to 64"),
    "calibration": (["calibrate", "--users", "0"], "--users must be 1 to 1000"),
    "warm-up": ([*NOWHERE, "--duration", "3", "--warm-up", "3"], "--warm-up must be shorter than --duration"),
    "runs": ([*NOWHERE, "--runs", "0"], "--runs must be 1 to 100"),
    "closed loop": ([*NOWHERE, "--stop-when-saturated"], "--stop-when-saturated needs --rate"),
    "search": (["search", *NOWHERE[1:], "--from", "9", "--to", "3"], "--from must be above 0"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_one_line_and_exit_2(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is said before Locust is loaded."""
    words, said = WRONG[name]
    try:
        code: Any = main(words)
    except SystemExit as end:  # argparse
        code = end.code
    assert code == 2
    assert said in capsys.readouterr().err.strip().splitlines()[-1]
    assert "locust" not in sys.modules


def test_a_port_that_is_taken_is_one_line(load: Load) -> None:
    with playing(*steady()) as target, socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        made = load("run", "--host", target.url, *SHORT, "--prometheus-port", port)
    assert made.returncode == 2
    assert made.stderr == f"chatproof load: --prometheus-port: cannot listen on 127.0.0.1:{port}: {IN_USE}\n"


NO_SERVERS: dict[str, tuple[list[Step], int, str]] = {
    "html": ([HTML], 1, "text/html"),
    "not http": ([b"SSH-2.0-OpenSSH_9.6\r\n\r\n"], 1, "not HTTP"),
    "never over": ([HEAD, chunk(event(token(1))), HOLD], 1, "nothing arrived for"),
    "limited": ([LIMITED], 2, "refused with 429"),
}


def _no_server(steps: list[Step], load: Load, folder: Path) -> Made:
    with playing(*steps) as target:
        words = ["run", "--host", target.url, "--users", "2", "--think", "0.2", *SHORT]
        return load(*words, "--json", str(folder / "run.json"), "--report-html", str(folder / "run.html"))


for _name, (_steps, _code, _said) in NO_SERVERS.items():
    JOBS[f"no server: {_name}"] = partial(_no_server, _steps)


@pytest.mark.parametrize("name", NO_SERVERS)
def test_a_server_that_is_none_is_told_in_the_last_line(ran: Any, name: str) -> None:
    _, code, said = NO_SERVERS[name]
    made, folder = ran(f"no server: {name}")
    assert made.returncode == code, made.stdout + made.stderr
    assert said in made.stdout.splitlines()[-1]
    assert document_in(folder)["exit_code"] == code
    assert (folder / "run.html").exists()
