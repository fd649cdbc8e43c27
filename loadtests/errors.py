"""What the load tests raise for a person to read."""

from __future__ import annotations


class LoadError(Exception):
    """The run cannot be made or judged; its text is one line."""
