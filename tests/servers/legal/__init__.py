"""Odd servers that keep the contract: every row must pass. Importing this registers them all in `VARIANTS`."""

import importlib
import pkgutil

from tests.servers.legal.variant import VARIANTS

for found in pkgutil.iter_modules(__path__, f"{__name__}."):
    importlib.import_module(found.name)

__all__ = ["VARIANTS"]
