"""The options of `chatproof load` and of the locustfile: each is written once, here, and has one name in both."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chatproof.harness.common.api_choice import ApiChoice
from chatproof.harness.common.configuration import configured
from chatproof.harness.common.options import OWN_TABLE
from chatproof.loadtests.behaviour import TRANSPORTS, Behaviour
from chatproof.loadtests.load_plan import SHAPES
from chatproof.loadtests.objectives import DEFAULT
from chatproof.loadtests.readers.http_reader import Limits


@dataclass(frozen=True, slots=True)
class LoadOption:
    """One option. `otherwise`: what holds without it, for the help; by default `default`. `alone`: its value where it
    is given without one. `also`: another name that it has, which in Locust means something else.

    `locust`: whether the locustfile has it: not where Locust has its own. `locust_help`: its help there, where it then
    has no default.
    """

    help: str
    default: Any = None
    otherwise: str = ""
    read: Callable[[str], Any] = str
    metavar: str | None = None
    choices: tuple[str, ...] | None = None
    repeatable: bool = False
    alone: str | None = None
    also: str = ""
    locust: bool = False
    locust_help: str = ""

    def arguments(self, text: str = "") -> dict[str, Any]:
        """What `add_argument` takes. `text`: another help."""
        otherwise = self.otherwise or ("" if self.default is None else str(self.default))
        said = text or (f"{self.help} (default: {otherwise})" if otherwise else self.help)
        given: dict[str, Any] = {"help": said.replace("%", "%%")}
        if self.read is bool:
            return {**given, "action": "store_true"}
        given["metavar"] = self.metavar or _METAVARS.get(self.read)
        if self.repeatable:
            return {**given, "action": "append", "default": []}
        if self.alone is not None:
            return {**given, "nargs": "?", "const": self.alone, "default": self.default}
        return {**given, "type": self.read, "default": self.default, "choices": self.choices}


def seconds(text: str) -> float:
    """A duration such as 20, 90s, 5m or 2h, in seconds. Raises ArgumentTypeError."""
    factors = {"s": 1, "m": 60, "h": 3600}
    number, factor = (text[:-1], factors[text[-1]]) if text[-1:] in factors else (text, 1)
    try:
        value = float(number) * factor
    except ValueError:
        value = math.nan
    if not 0 < value < 1e7:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration such as 20, 90s, 5m or 2h")
    return value


def port(text: str) -> int:
    """A port, 0 to 65535. Raises ArgumentTypeError."""
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port, 0 to 65535")
    return int(text)


def any_seconds(text: str) -> float:
    """A duration, which may be 0. Raises ArgumentTypeError."""
    return 0.0 if text in ("0", "0s") else seconds(text)


_METAVARS: Final[dict[Callable[[str], Any], str]] = {
    Path: "FILE",
    float: "NUMBER",
    int: "NUMBER",
    seconds: "TIME",
    any_seconds: "TIME",
}

OPTIONS: Final[dict[str, LoadOption]] = {
    # the server, and how it is asked
    "host": LoadOption("the server's URL", metavar="URL"),
    "start": LoadOption(
        "start the server with this command, {port} filled in, and fake providers behind it", metavar="COMMAND"
    ),
    "scripts": LoadOption(
        "with --start: a folder of further scripts for the fake providers", metavar="FOLDER", repeatable=True
    ),
    "transport": LoadOption("how users ask", "sse", choices=TRANSPORTS, locust=True),
    "messages": LoadOption(
        "file of messages to send, one a line; in a .jsonl file as JSON: strings, or objects with a prompt",
        otherwise="a few of its own, which fake providers answer at the pace of a real model",
        metavar="FILE",
        locust=True,
    ),
    "message": LoadOption("the one message to send", metavar="TEXT", locust=True),
    "api": LoadOption(
        "what the server speaks: chat-stream, openai-chat, ai-sdk, ag-ui, or the TOML file whose table [api] describes "
        "an api of your own (docs/apis.md). Without a name: the table of the configuration file",
        otherwise="the table [api] of the configuration file; else chat-stream, that of the API document",
        metavar="NAME/FILE",
        alone=OWN_TABLE,
        locust=True,
    ),
    "api-path": LoadOption(
        "where streams are asked, if not at the api's usual path",
        otherwise="the api's own",
        metavar="PATH",
        locust=True,
    ),
    "api-model": LoadOption(
        "the model to ask for, of an api that names one", otherwise="gpt-4o-mini", metavar="NAME", locust=True
    ),
    "config": LoadOption(
        "the configuration file whose api counts",
        otherwise="chatproof.toml here, or [tool.chatproof] in pyproject.toml",
        metavar="FILE",
    ),
    "jwt": LoadOption("a JWT to send, or @FILE with one a line", metavar="TOKEN", locust=True),
    "think": LoadOption("seconds between a user's asks, such as 2 or 1..5", "0", metavar="RANGE", locust=True),
    "provider-url": LoadOption(
        "the fake providers behind the server: adds what the server itself adds to each stream",
        metavar="URL",
        locust=True,
    ),
    "silence": LoadOption("a stream that sends nothing for this long has failed", 30.0, "30s", seconds, locust=True),
    "drain": LoadOption("at the end of the run, wait this long for open streams", 10.0, "10s", seconds, locust=True),
    # how much load
    "users": LoadOption("closed loop: number of users, each with one stream at a time", otherwise="10", read=float),
    "rate": LoadOption("open loop: streams a second, however slow the server is", read=float, locust=True),
    "poisson": LoadOption("open loop: random arrivals (Poisson), as people make them", read=bool, locust=True),
    "shape": LoadOption("how the load changes over time", "constant", choices=SHAPES, locust=True),
    "duration": LoadOption(
        "how long, such as 20, 90s, 5m or 2h",
        60.0,
        "60s",
        seconds,
        locust=True,
        locust_help="how long, such as 20, 90s, 5m or 2h (default: 60s with --rate or --shape, else --run-time)",
    ),
    "warm-up": LoadOption(
        "streams that begin in this first part of the duration are not measured",
        0.0,
        "0s: all are",
        any_seconds,
        locust=True,
    ),
    "runs": LoadOption(
        "run the load this often, one after the other, and judge the mean, with its 95 % interval over the runs",
        1,
        read=int,
    ),
    "stop-when-saturated": LoadOption(
        "with --rate: end the run, as missed, when the server falls behind for good, so that streams pile up", read=bool
    ),
    "processes": LoadOption("number of worker processes that share the load", 0, "this process alone", int),
    "from": LoadOption("first rate to try, in streams a second", 1.0, "1", float),
    "to": LoadOption("highest rate to try, in streams a second", 1000.0, "1000", float),
    "each": LoadOption("how long to try each rate", 15.0, "15s", seconds),
    # the verdict
    "slo": LoadOption(
        "objectives, such as ttft_p95<1s,tokens_per_second_p5>5",
        otherwise=DEFAULT,
        metavar="OBJECTIVES",
        locust=True,
        locust_help="objectives: with them the run has a verdict and an exit code, and the client's own error is "
        f"measured first (default: no verdict; such as {DEFAULT})",
    ),
    "no-calibration": LoadOption("do not measure the client's own error first", read=bool, locust=True),
    # files
    "report-json": LoadOption("write the result document to this file", read=Path, also="json", locust=True),
    "csv": LoadOption("write PREFIX_metrics.csv and PREFIX_series.csv", metavar="PREFIX"),
    "report-html": LoadOption("write the report to this file", read=Path, locust=True),
    "report-prometheus": LoadOption("write the metrics to this file, as Prometheus text", read=Path, locust=True),
    "prometheus-port": LoadOption(
        "serve the figures as they come at http://127.0.0.1:PORT/metrics, for Prometheus; 0: a free port",
        otherwise="not served",
        read=port,
        metavar="PORT",
    ),
}


def add_options(parser: Any, names: Iterable[str]) -> None:
    """Add options to a parser of `chatproof load`, or to a group of one."""
    for name in names:
        option = OPTIONS[name]
        also = [f"--{option.also}"] if option.also else []
        parser.add_argument(f"--{name}", *also, **option.arguments())


def add_locust_options(parser: Any) -> None:
    """Add to Locust's parser the options that Locust has not. To the parser itself: groups lack its own arguments."""
    for name, option in OPTIONS.items():
        if option.locust:
            given = option.arguments(option.locust_help)
            if option.locust_help:
                given["default"] = None
            if option.read is Path:
                given["type"] = str  # a master sends what it read to its workers, as plain data
            parser.add_argument(f"--{name}", include_in_web_ui=False, **given)


def locust_values(given: Any) -> dict[str, Any]:
    """What Locust's parser read of ours, by the names in `OPTIONS` with underscores."""
    names = (name.replace("-", "_") for name, option in OPTIONS.items() if option.locust)
    return {name: getattr(given, name) for name in names}


def read_behaviour(values: Mapping[str, Any], provider_url: str | None) -> Behaviour:
    """How users behave, from options by name. `provider_url`: the fakes' URL, given or started.

    Raises:
        ChatproofError: a value makes no sense, or a file cannot be read; one line.
    """
    return Behaviour.read(
        **{name: values[name] for name in ("transport", "messages", "message", "jwt", "think")},
        provider_url=provider_url,
        slo=values["slo"] or DEFAULT,
        limits=Limits(silence=values["silence"]) if values.get("silence") else Limits(),
        patience=values.get("drain") or OPTIONS["drain"].default,
        warm_up=values.get("warm_up") or 0.0,
        named=named_api(values),
    )


def named_api(values: Mapping[str, Any]) -> dict[str, str | None]:
    """The options that choose the api, as ApiChoice takes them: as typed, else as the configuration file has them.

    Raises:
        ChatproofError: there is no such api, or the file or its table is wrong; one line.
    """
    typed = {"api_name": values.get("api"), **{name: values.get(name) for name in ("api_path", "api_model", "config")}}
    found = configured(typed, [Path.cwd()])
    return {
        "api_name": ApiChoice.of(found).word,
        "api_path": found.get("api_path"),
        "api_model": found.get("api_model"),
    }
