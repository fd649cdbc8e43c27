"""Run one of the servers: `python -m tests.servers.run_server --port N --variant NAME`."""

from __future__ import annotations

import argparse
import asyncio

from tests.servers.catalogue import PLAIN, SERVERS
from tests.servers.parts import Config


def main() -> None:
    """Run it until it is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--variant", choices=sorted(SERVERS), default=PLAIN)
    options = parser.parse_args()
    asyncio.run(SERVERS[options.variant](Config.read()).serve(options.port))


if __name__ == "__main__":
    main()
