"""Stops a build in a checkout where the links in chatproof/ are not links."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class LinksArrived(BuildHookInterface[Any]):
    """Where the system allows no links, git writes text files instead, and the wheel would hold no code."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Abort with one line. hatchling calls this before it collects files."""
        if not Path(self.root, "chatproof", "harness").is_dir():
            self.app.abort(
                "The links in chatproof/ did not arrive. On Windows turn on Developer Mode, then:"
                " git config core.symlinks true && git checkout -- chatproof"
            )
