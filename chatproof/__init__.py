"""Proof that a streaming chat backend works: fake providers behind it, a strict client in front of it.

In a checkout the parts are links to the folders at the top of the repository. An installed package holds them itself.

PYTEST_DONT_REWRITE: nothing here asserts, and `chatproof check` has imported it before pytest can.
"""

__version__ = "0.1.0"
