"""`python -m chatproof.loadtests`: the same as `chatproof load`."""

from __future__ import annotations

import sys

from chatproof.harness.common.errors import ChatproofError
from chatproof.harness.common.extras import needs

if __name__ == "__main__":
    try:
        needs("load", "chatproof load")
    except ChatproofError as error:
        sys.stderr.write(f"chatproof: {error}\n")
        sys.exit(2)
    from chatproof.loadtests.load_command import main

    sys.exit(main())
