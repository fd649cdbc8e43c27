"""Every server by its name: the plain one, the legal ones and the broken ones."""

from __future__ import annotations

from tests.servers.broken import FAULTS
from tests.servers.legal import VARIANTS
from tests.servers.plain_server import ChatServer
from tests.servers.upstream import Upstream

PLAIN = "plain"

SERVERS: dict[str, type[Upstream]] = {
    PLAIN: ChatServer,
    **{name: variant.server for name, variant in VARIANTS.items()},
    **{name: fault.server for name, fault in FAULTS.items()},
}
