"""Measure GuideLLM as a load-test client. It can send requests only to providers' APIs, so the fakes play the script.

It brings PyTorch and is no dependency: it is measured if a command `guidellm` is on the path, or named by the variable
GUIDELLM. It reports only the mean time between a stream's tokens: it cannot show a burst after a pause.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import httpx

from bench.load_client import rank
from bench.servers import Cores
from chatproof.fake_providers.server.launcher import start_fakes
from chatproof.loadtests.calibration.known_script import KnownScript

NAME: Final = "guidellm"
_SCRIPT: Final = """
about = "As the load tests' calibration: for clients that ask providers."
[timing]
first_token_ms = {first:g}
inter_token_ms = {between:g}
[[steps]]
tokens = [" word"]
repeat = {tokens}
"""


def command() -> str | None:
    """Return the path of its command, or None if it is not installed."""
    return shutil.which(os.environ.get("GUIDELLM") or NAME)


def measure(program: str, streams: int, rounds: int, cores: Cores, patience: float) -> dict[str, Any]:
    """Return its errors in the form of `bench.load_client`. Raises OSError, ValueError or SubprocessError."""
    script, asked = KnownScript(), streams * rounds
    text = _SCRIPT.format(first=script.first_token * 1000, between=script.inter_token * 1000, tokens=script.tokens)
    with cores.for_server():
        fakes = start_fakes()
    with fakes, tempfile.TemporaryDirectory() as folder:
        httpx.put(f"{fakes.url}/_fake/scripts/{NAME}", content=text, trust_env=False).raise_for_status()
        ask = f"scenario {NAME}"
        Path(folder, "asks.jsonl").write_text((json.dumps({"prompt": ask}) + "\n") * asked, encoding="utf-8")
        warm = {"model": "bench", "stream": True, "messages": [{"role": "user", "content": ask}]}
        httpx.post(f"{fakes.url}/vllm/v1/chat/completions", json=warm, trust_env=False).raise_for_status()
        httpx.delete(f"{fakes.url}/_fake/journal", trust_env=False).raise_for_status()
        words = [program, "run", "--disable-console", "--data", "kind=json_file,path=asks.jsonl"]
        words += ["--backend", f"kind=openai_http,target={fakes.url}/vllm,model=bench,validate_backend=false"]
        words += ["--profile", f"kind=concurrent,streams={streams},rampup_duration={script.seconds:g}"]
        words += ["--constraint", f"kind=max_requests,count={asked}", "--output", "kind=json,path=out.json"]
        # one core, so one worker: its default of ten would compete for it
        variables = {**os.environ, "GUIDELLM__MAX_WORKER_PROCESSES": "1", "HF_HUB_OFFLINE": "1"}
        began, used = time.monotonic(), _cpu()
        subprocess.run(words, cwd=folder, env=variables, capture_output=True, timeout=patience, check=True)
        share = (_cpu() - used) / (time.monotonic() - began)
        document = json.loads(Path(folder, "out.json").read_text(encoding="utf-8"))
        journal = httpx.get(f"{fakes.url}/_fake/journal", params={"limit": asked}, trust_env=False, timeout=60).json()
    done = document["benchmarks"][0]["requests"]["successful"]
    first = [abs(one["time_to_first_token_ms"] / 1000 - script.first_token) for one in done]
    between = [abs(one["inter_token_latency_ms"] / 1000 - script.inter_token) for one in done]
    return {
        "replies": len(done),
        "failed": asked - len(done),
        "first": (rank(first, 50), rank(first, 99)),
        "between": (rank(between, 50), rank(between, 99)),
        "cpu": share,
        "server_late": rank([late for entry in journal["entries"] for late in _lateness(entry, script)], 99),
    }


def _cpu() -> float:
    """Return the CPU seconds of all ended child processes."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _lateness(entry: dict[str, Any], script: KnownScript) -> list[float]:
    said = [write["at"] for write in entry["writes"] if write["tokens"]]
    due = [entry["received"] + script.due(number) for number in range(len(said))]
    return [at - planned for at, planned in zip(said, due, strict=True)]
