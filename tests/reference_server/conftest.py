"""Fixtures of the reference server's tests."""

from collections.abc import Iterator

import pytest

from chatproof.fake_providers.server.launcher import FakesProcess, start_fakes
from tests.reference_server.model import Model, running_model
from tests.reference_server.redis import Redis, running_redis


@pytest.fixture(scope="session")
def redis() -> Iterator[Redis]:
    """A real Redis."""
    with running_redis() as server:
        yield server


@pytest.fixture(scope="session")
def fakes() -> Iterator[FakesProcess]:
    """One process of fake providers for all tests. Each test finds its own journal entries by its own case."""
    with start_fakes() as process:
        yield process


@pytest.fixture
def model() -> Iterator[Model]:
    """A language model's API."""
    with running_model() as server:
        yield server
