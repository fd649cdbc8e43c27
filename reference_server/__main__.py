"""Run the server: `python -m reference_server`."""

import sys

# socketio and httpx import these wherever they are installed, for their clients and a command line: 0.3 s at the start
sys.modules.update(dict.fromkeys(("aiohttp", "requests", "rich", "websocket")))  # type: ignore[arg-type]  # None: not there

try:
    from gevent import monkey  # type: ignore[import-untyped]  # gevent ships no types

    monkey.patch_all()

    # After the patch: modules that create sockets or locks when imported must get gevent's.
    from chatproof.reference_server.app import main
except ModuleNotFoundError as error:
    why = "is not installed: install chatproof with its extra, chatproof[reference] (see README.md)"
    sys.stderr.write(f"reference_server: {error.name} {why}\n")
    sys.exit(2)

sys.exit(main())
