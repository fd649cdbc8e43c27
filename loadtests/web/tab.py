"""The tab "Streams" in Locust's web UI: a table as Locust's own tabs have, charts below it, and downloads.

Locust's page takes further tabs with tables, but no charts. The charts are an element of their own, which
a script shows while the tab is open. The browser draws them, since this process is busy stamping streams.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from flask import Blueprint, Flask, Response, request

from chatproof.loadtests import prometheus
from chatproof.loadtests.metrics import Second
from chatproof.loadtests.reporting.load_report import page
from chatproof.loadtests.result import Result, metrics_csv, series_csv, shown

KEY: Final = "chatproof"
SHOWN_S: Final = 300
_FRESH_S: Final = 1.0
_COLUMNS: Final = ("metric", "count", "p50", "p95", "p99", "max", "error")
_TITLES: Final = ("Metric", "Count", "p50", "p95", "p99", "Max", "Client's own error")
_DOWNLOADS: Final = (
    ("metrics.csv", "Download stream metrics CSV"),
    ("series.csv", "Download stream series CSV"),
    ("result.json", "Download stream result JSON"),
    ("report.html", "Open the streams' report"),
    ("metrics", "Prometheus metrics"),
)


def add_tab(app: Flask, web_ui: Any, result: Callable[[], Result], base: str = "") -> None:
    """Add the tab to a web UI whose server has not started yet."""
    live = _Live(result)
    routes = Blueprint(KEY, __name__, url_prefix=f"{base}/{KEY}")

    @routes.get("/data")
    @web_ui.auth_required_if_enabled  # type: ignore[untyped-decorator]  # Locust leaves it out
    def data() -> Response:
        return _answer(json.dumps(live.data()), "application/json")

    @routes.get("/tab.js")
    def script() -> Response:
        return _answer((Path(__file__).parent / "tab.js").read_text(encoding="utf-8"), "text/javascript")

    for name, (kind, made) in _FILES.items():
        view = web_ui.auth_required_if_enabled(_view(result, kind, made))
        routes.add_url_rule(f"/{name}", endpoint=name.replace(".", "_"), view_func=view)
    app.register_blueprint(routes)

    @app.after_request
    def extend(response: Response) -> Response:
        if request.path == f"{base}/stats/requests" and response.is_json and isinstance(response.json, dict):
            table = {"key": KEY, "data": live.table()}
            response.set_data(json.dumps({**response.json, "extended_stats": [table]}))
        elif request.path == f"{base}/" and response.mimetype == "text/html" and response.status_code == 200:
            script = f'<script src="./{KEY}/tab.js" defer></script></body>'
            response.set_data(response.get_data(as_text=True).replace("</body>", script, 1))
        return response

    columns = [{"key": key, "title": title} for key, title in zip(_COLUMNS, _TITLES, strict=True)]
    web_ui.template_args = {
        "extended_tabs": [{"title": "Streams", "key": KEY}],
        "extended_tables": [{"key": KEY, "structure": columns}],
        "extended_csv_files": [{"href": f"./{KEY}/{name}", "title": title} for name, title in _DOWNLOADS],
    }


_FILES: Final[dict[str, tuple[str, Callable[[Result], str]]]] = {
    "metrics.csv": ("text/csv", metrics_csv),
    "series.csv": ("text/csv", series_csv),
    "result.json": ("application/json", lambda result: json.dumps(result.to_json())),
    "report.html": ("text/html", page),
    "metrics": (prometheus.CONTENT_TYPE, prometheus.text),
}


def _view(result: Callable[[], Result], kind: str, made: Callable[[Result], str]) -> Callable[[], Response]:
    return lambda: _answer(made(result()), kind)


def _answer(text: str, kind: str) -> Response:
    return Response(text, content_type=kind, headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"})


class _Live:
    """What the tab shows, made at most once a second, however many browsers show it."""

    def __init__(self, result: Callable[[], Result]) -> None:
        self._make = result
        self._result: Result | None = None
        self._made = 0.0
        self._rows: dict[int, tuple[tuple[int, int], list[Any]]] = {}

    def result(self) -> Result:
        now = time.monotonic()
        if self._result is None or now - self._made >= _FRESH_S:
            self._result, self._made = self._make(), now
        return self._result

    def table(self) -> list[dict[str, str]]:
        """A row for each metric that has values."""
        result = self.result()
        known = result.known
        rows = []
        for name, kind, histogram in result.metrics.measured():
            p50, p95, p99 = histogram.percentiles((50, 95, 99))
            error = known.error(name, p50)
            cells = [shown(value, kind.unit) for value in (p50, p95, p99, histogram.most, error)]
            title = f"{kind.title} (not of single tokens)" if result.metrics.spoiled(name) else kind.title
            rows.append(dict(zip(_COLUMNS, [title, f"{histogram.count:,}", *cells], strict=True)))
        return rows

    def data(self) -> dict[str, Any]:
        """The data of the charts: the last five minutes by second, and the outcomes."""
        result = self.result()
        metrics = result.metrics
        now = int(time.time())
        # without the current second: it is incomplete and would look like a drop
        seconds = [at for at in sorted(metrics.series) if now - SHOWN_S <= at < now]
        self._rows = {at: row for at, row in self._rows.items() if at in metrics.series and at >= now - SHOWN_S}
        return {
            "verdict": result.verdict,
            "objectives": [[str(one.verdict), one.objective.text] for one in result.judged],
            "outcomes": dict(metrics.outcomes.most_common()),
            "crew": result.meta.get("crew"),
            "columns": ["at", "started", "ended", "failed", "tokens", "ttft_p50", "ttft_p95", "gap_p95"],
            "series": [self._row(at, metrics.series[at]) for at in seconds],
        }

    def _row(self, at: int, second: Second) -> list[Any]:
        key = second.ended, second.tokens
        if at not in self._rows or self._rows[at][0] != key:
            p50, p95 = second.ttft.percentiles((50, 95))
            (gap,) = second.inter_token.percentiles((95,))
            row = [at, second.started, second.ended, second.failed, second.tokens, p50, p95, gap]
            self._rows[at] = key, row
        return self._rows[at][1]
