"""A locustfile: the load tests' own, whose workers also write every raw value to a file of their own."""

from __future__ import annotations

import json
import os
from itertools import pairwise
from pathlib import Path

from chatproof.loadtests import metrics
from chatproof.loadtests.locustfile import *  # noqa: F403  # the users, as Locust's users have them
from chatproof.loadtests.readers.reading import Reading

_FILE = Path(os.environ["POOL_FOLDER"]) / f"{os.getpid()}.jsonl"
_take = metrics.Metrics.take


def take(self: metrics.Metrics, reading: Reading) -> None:
    _take(self, reading)
    times = reading.token_times
    row = {
        "ttft": [reading.first_token] if reading.first_token is not None else [],
        "inter_token": [later - earlier for earlier, later in pairwise(times)],
        "end_to_end": [reading.whole] if reading.whole is not None else [],
    }
    with _FILE.with_name(f"{os.getpid()}.jsonl").open("a") as file:
        file.write(f"{json.dumps(row)}\n")


metrics.Metrics.take = take  # type: ignore[method-assign]
