"""Proof that a streaming chat backend works: fake providers behind it, a strict client in front of it.

In a checkout the parts are links to the folders at the top of the repository. An installed package holds them itself.

PYTEST_DONT_REWRITE: nothing here asserts, and `chatproof check` has imported it before pytest can.
"""

from pathlib import Path

__version__ = "0.1.0"

if Path(__file__).with_name("harness").is_file():  # a system without links gets small text files in their place
    raise SystemExit(
        "The links in chatproof/ did not arrive. On Windows turn on Developer Mode, then:"
        " git config core.symlinks true && git checkout -- chatproof"
    )
