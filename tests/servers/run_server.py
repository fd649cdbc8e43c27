"""Run one of the servers: `python -m tests.servers.run_server --port N --variant NAME`."""

from __future__ import annotations

import argparse
import asyncio

from tests.servers.broken import FAULTS
from tests.servers.legal import VARIANTS
from tests.servers.parts import Config
from tests.servers.plain_server import ChatServer


def main() -> None:
    """Run it until it is ended."""
    servers: dict[str, type[ChatServer]] = {"plain": ChatServer}
    servers |= {name: variant.server for name, variant in VARIANTS.items()}
    servers |= {name: fault.server for name, fault in FAULTS.items()}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--variant", choices=sorted(servers), default="plain")
    options = parser.parse_args()
    asyncio.run(servers[options.variant](Config.read()).serve(options.port))


if __name__ == "__main__":
    main()
