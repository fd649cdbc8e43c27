"""Makes the suite's options known in a checkout where chatproof is not installed."""

from importlib.metadata import entry_points

if not any(entry.value == "chatproof_pytest" for entry in entry_points(group="pytest11")):
    pytest_plugins = ["chatproof_pytest"]
