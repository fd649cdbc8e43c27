"""`python -m chatproof.loadtests`: the same as `chatproof load`."""

from __future__ import annotations

import sys
from importlib.util import find_spec

if __name__ == "__main__":
    if find_spec("locust") is None:
        sys.stderr.write("chatproof load: Locust is not installed: pip install 'chatproof[load]'\n")
        sys.exit(2)
    from chatproof.loadtests.load_command import main

    sys.exit(main())
