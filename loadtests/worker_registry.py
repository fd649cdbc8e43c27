"""What a master knows of its workers: which began, which sent all figures, which are lost or of another version."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any, Final

import gevent  # type: ignore[import-untyped]  # gevent ships no types
from locust.runners import STATE_MISSING, MasterRunner

from chatproof import __version__ as VERSION
from chatproof.loadtests.load_plan import Arrivals
from chatproof.loadtests.metrics import Metrics

FORMAT: Final = 3
# messages; the prefix keeps them apart from Locust's own
HELLO: Final = "chatproof_hello"  # worker: which version it is
PART: Final = "chatproof_part"  # master: the part of an open loop
STOP: Final = "chatproof_stop"  # master: end the streams and send all figures
PLAYED: Final = "chatproof_played"  # worker: its part's last stream has begun
LAST: Final = "chatproof_last"  # worker: the rest of its figures
_LOOK_S: Final = 1.0
HELLO_S: Final = 10.0
_EXTRA_S: Final = 5.0  # on top of the streams' own patience: to add up the figures, and to notice a dead worker

log = logging.getLogger("chatproof.load")


def said(metrics: Metrics | None) -> dict[str, Any]:
    """A worker's report: its version and the figures of its streams."""
    return {"format": FORMAT, "version": VERSION, "metrics": metrics.to_json() if metrics is not None else None}


class WorkerRegistry:
    """A master's workers, by Locust's id. `taken` is called with each part of the figures."""

    def __init__(self, runner: MasterRunner, taken: Callable[[Metrics], None]) -> None:
        self._runner = runner
        self._taken = taken
        self._watch: Any = None
        self.begun: dict[str, int] = {}
        """Streams reported, by worker of this run."""
        self.played: set[str] = set()
        self.finished: set[str] = set()
        self._greeted: set[str] = set()
        self.lost: dict[str, str] = {}
        """Workers that were lost during the run, and the reason."""
        self.refused: dict[str, str] = {}
        """Workers that were refused, and the reason: another version, or unreadable figures."""
        runner.register_message(HELLO, self._hello)
        runner.register_message(PLAYED, lambda msg, **_: self.played.add(msg.node_id))
        runner.register_message(LAST, self._last)

    @property
    def is_whole(self) -> bool:
        """Whether every worker sent all of its figures, and no refused worker took part of the users."""
        return not self.lost and not self.refused and self.begun.keys() <= self.finished

    @property
    def left(self) -> set[str]:
        """Workers of this run that were neither lost nor refused."""
        return self.begun.keys() - self.lost.keys() - self.refused.keys()

    @property
    def is_played(self) -> bool:
        """Whether every remaining worker has begun the last stream of its part."""
        return bool(self.begun) and self.left <= self.played

    def begin(self, arrivals: Arrivals | None) -> None:
        """Begin a run: send every worker its part of the plan, after it has said which version it runs."""
        give_up = time.monotonic() + HELLO_S
        while {one.id for one in self._runner.clients.all} - self._greeted - self.refused.keys():
            if time.monotonic() > give_up:
                break
            gevent.sleep(0.02)
        clients = [one.id for one in self._runner.clients.all if one.state != STATE_MISSING]
        self.refused = {one: why for one, why in self.refused.items() if one in clients}  # others left before this run
        clients = [one for one in clients if one not in self.refused]
        self.begun, self.finished, self.lost = dict.fromkeys(clients, 0), set(), {}
        self.played = set()
        for index, client in enumerate(clients):
            part = asdict(replace(arrivals, part=(index, len(clients)))) if arrivals is not None else None
            self._runner.send_message(PART, {"arrivals": part}, client_id=client)
        self._watch = gevent.spawn(self._look)

    def end(self, patience: float) -> None:
        """Stop all workers and wait for their last figures; a worker that sends none in time is lost."""
        self._runner.send_message(STOP)
        give_up = time.monotonic() + patience + _EXTRA_S
        while self._awaited() and time.monotonic() < give_up:
            gevent.sleep(0.05)
            self._find_lost()
        for client in self._awaited():
            self._lose(client, "it never sent its last figures")
        if self._watch is not None:
            self._watch.kill()

    def report(self, client: str, data: Any) -> None:
        """Add a worker's report. A worker of another version is refused."""
        try:
            if not isinstance(data, dict) or data["format"] != FORMAT or data["version"] != VERSION:
                raise ValueError(_version(data))
            metrics = Metrics.from_json(data["metrics"]) if data["metrics"] is not None else None
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            self._refuse(client, str(error) if type(error) is ValueError else f"unreadable figures: {error!r}")
            return
        if metrics is not None and client not in self.refused:
            self.begun[client] = self.begun.get(client, 0) + metrics.outcomes.total()
            self._taken(metrics)

    def to_json(self) -> dict[str, Any]:
        return {"begun": self.begun, "lost": self.lost, "refused": self.refused, "whole": self.is_whole}

    # -- messages

    def _hello(self, environment: Any, msg: Any, **_: Any) -> None:
        if msg.data.get("format") != FORMAT or msg.data.get("version") != VERSION:
            self._refuse(msg.node_id, _version(msg.data))
        self._greeted.add(msg.node_id)

    def _last(self, environment: Any, msg: Any, **_: Any) -> None:
        self.report(msg.node_id, msg.data)
        self.finished.add(msg.node_id)

    def _refuse(self, client: str, why: str) -> None:
        if client not in self.refused:
            self.refused[client] = why
            log.error("worker %s is refused: %s; its figures are left out", client, why)
            self._runner.send_message("quit", client_id=client)

    # -- who is lost

    def _awaited(self) -> list[str]:
        return [one for one in self.begun if one not in self.finished | self.lost.keys() | self.refused.keys()]

    def _look(self) -> None:
        while True:
            gevent.sleep(_LOOK_S)
            self._find_lost()

    def _find_lost(self) -> None:
        for client in self._awaited():
            node = self._runner.clients.get(client)
            if node is not None and node.state == STATE_MISSING:
                self._lose(client, "no heartbeat")

    def _lose(self, client: str, why: str) -> None:
        self.lost[client] = why
        log.error("worker %s is lost: %s; what it measured since its last report is missing", client, why)


def _version(data: Any) -> str:
    theirs = data.get("version") if isinstance(data, dict) else None
    if theirs is None:
        return f"it does not run these load tests (the master runs {VERSION})"
    return f"it runs version {theirs} (format {data.get('format')}), the master {VERSION} (format {FORMAT})"
