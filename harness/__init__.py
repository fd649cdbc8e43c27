"""What the parts of chatproof share: the protocol (sans-IO), the clients, the reports."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("chatproof")
except PackageNotFoundError:  # a checkout that was never installed
    __version__ = "0+checkout"
