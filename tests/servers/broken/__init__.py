"""Servers with one fault each: importing this registers them all in `FAULTS`."""

import importlib
import pkgutil

from tests.servers.broken.fault import DOORS, FAULTS, WHOLE

for found in pkgutil.iter_modules(__path__, f"{__name__}."):
    importlib.import_module(found.name)

__all__ = ["DOORS", "FAULTS", "WHOLE"]
