"""Run the server: `python -m reference_server`."""

from gevent import monkey  # type: ignore[import-untyped]  # gevent ships no types

monkey.patch_all()

# After the patch: modules that create sockets or locks when imported must get gevent's.
import sys  # noqa: E402

from chatproof.reference_server.app import main  # noqa: E402

sys.exit(main())
