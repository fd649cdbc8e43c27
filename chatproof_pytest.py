"""The pytest plugin: the options and markers of the conformance suite, and the fixtures of the fake providers.

Options must come from an installed plugin, not from the suite's conftest, so that
`pytest --pyargs conformance` knows them. An editable install may hold a copy of this file: nothing that
changes stands in it.
"""

from harness.options import pytest_addoption, pytest_cmdline_main, pytest_configure

__all__ = ["pytest_addoption", "pytest_cmdline_main", "pytest_configure", "pytest_plugins"]

pytest_plugins = ["fake_providers.pytest_plugin"]  # imports nothing but pytest until a fixture is used
