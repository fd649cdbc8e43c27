"""`python -m bench`: measurements beside peers."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.fakes import run
from bench.peers import default_folder
from bench.results import FULL, QUICK


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables as Markdown. Exit code 0, or 1 where a server failed while it was measured."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measurements, side by side with peers.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    fakes = commands.add_parser(
        "fakes",
        help="how fast the fake providers stream, and how true their pace is",
        description="Streams a completion of 100 tokens from our fake providers, from npm @copilotkit/aimock, from"
        " PyPI llmock and from a bare uvloop protocol, on one core each, and prints tables in Markdown."
        " Takes about three minutes on a machine that has nothing else to do.",
    )
    fakes.add_argument("--quick", action="store_true", help="one short round, to see that it works")
    fakes.add_argument(
        "--peers",
        type=Path,
        default=default_folder(),
        metavar="DIR",
        help="where the peers are installed, once (default: %(default)s)",
    )
    load = commands.add_parser(
        "load",
        help="how true load-test clients tell the time",
        description="Plays a known script over SSE and Socket.IO to our load-test clients and to Locust's own, server"
        " and client on one core each, and prints how wrong each client's times are. Takes about five minutes.",
    )
    load.add_argument("--quick", action="store_true", help="few streams, one round, to see that it works")
    options = parser.parse_args(arguments)
    try:
        if options.command == "load":
            from bench.load import run as run_load

            return run_load(options.quick)
        return run(QUICK if options.quick else FULL, options.peers.absolute())
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
