"""For Locust's own command: `locust -f loadtests/locustfile.py --host URL`.

Every user class is there to choose from; without a choice all users come over SSE. What Locust does not know is
set by options that begin with `--chat-`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from locust import events
from locust.runners import WorkerRunner

from loadtests.errors import LoadError
from loadtests.objectives import DEFAULT
from loadtests.options import Options
from loadtests.plugin import Run
from loadtests.result import Result, summary
from loadtests.users import ChatSocketIO, ChatSSE, Interrupter, PlainChat, SessionChat

__all__ = ["ChatSSE", "ChatSocketIO", "Interrupter", "PlainChat", "SessionChat"]

# Locust spawns all classes of a file by weight: only those that are named take part, or SSE alone
for _other in (ChatSocketIO, Interrupter, PlainChat, SessionChat):
    _other.weight = 0


def _add_options(parser: Any) -> None:
    # to the parser itself: groups do not know Locust's own arguments of an option
    parser.add_argument("--chat-messages", default="", help="file of messages, one a line", include_in_web_ui=False)
    parser.add_argument("--chat-message", default="", help="the one message to send", include_in_web_ui=False)
    parser.add_argument("--chat-jwt", default="", help="a JWT, or @FILE with one a line", is_secret=True)
    parser.add_argument("--chat-think", default="0", help="seconds between asks, such as 2 or 1..5")
    parser.add_argument("--chat-provider-url", default="", help="the fake providers behind the server")
    parser.add_argument("--chat-slo", default="", help=f"objectives; they set the exit code (such as {DEFAULT})")
    parser.add_argument("--chat-json", default="", help="write the result document here", include_in_web_ui=False)


def _begin(environment: Any, **_: Any) -> None:
    given = environment.parsed_options
    try:
        options = Options.read(
            messages=given.chat_messages or None,
            message=given.chat_message or None,
            jwt=given.chat_jwt or None,
            think=given.chat_think,
            provider_url=given.chat_provider_url or None,
            slo=given.chat_slo or DEFAULT,
        )
    except LoadError as error:
        sys.stderr.write(f"chatproof load: {error}\n")
        sys.exit(2)
    Run(environment, options)


def _end(environment: Any, **_: Any) -> None:
    run = getattr(environment, "chatproof", None)
    if not isinstance(run, Run) or isinstance(environment.runner, WorkerRunner):
        return
    given = environment.parsed_options
    meta = {"url": environment.host, "started": run.started, "seconds": run.stopped - run.started}
    meta |= {"transport": "locustfile", "interrupted": False, "workers": max(1, len(run.workers))}
    provider = bool(given.chat_provider_url)
    result = Result.of(meta, run.collect(), None, list(run.options.objectives), provider=provider)
    if not result.metrics.outcomes:
        return
    sys.stderr.write(f"{summary(result)}\n")
    if given.chat_json:
        try:
            result.write_json(Path(given.chat_json))
        except OSError as error:
            sys.stderr.write(f"chatproof load: cannot write {given.chat_json}: {error.strerror}\n")
    if given.chat_slo:
        environment.process_exit_code = result.exit_code


events.init_command_line_parser.add_listener(_add_options)  # type: ignore[no-untyped-call]  # Locust leaves it out
events.init.add_listener(_begin)  # type: ignore[no-untyped-call]  # Locust leaves it out
events.quitting.add_listener(_end)  # type: ignore[no-untyped-call]  # Locust leaves it out
