"""`python -m reference_server`."""

from gevent import monkey  # type: ignore[import-untyped]  # gevent ships no types

monkey.patch_all()

# Below the patch: modules that take sockets or locks on import must find gevent's.
import sys  # noqa: E402

from chatproof.reference_server.app import main  # noqa: E402

sys.exit(main())
