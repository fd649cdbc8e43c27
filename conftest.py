"""Makes a checkout behave like an installed chatproof."""

import importlib
import sys
from importlib.metadata import entry_points

PLUGIN = "chatproof.pytest_plugin"

if not any(entry.value == PLUGIN for entry in entry_points(group="pytest11")):
    pytest_plugins = [PLUGIN]

# `pytest conformance` collects by folder, and the tests import `chatproof.conformance`: one package, not two
sys.modules["conformance"] = importlib.import_module("chatproof.conformance")
