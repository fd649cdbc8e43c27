"""The replies that later requests may ask for: responses and interactions that their requests wanted stored."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Final

from chatproof.fake_providers.dialects.base import Ask, Kept

_MOST: Final = 1_000
_MOST_BYTES: Final = 16_000_000
_MOST_DELETED: Final = 10_000


class KeptReplies:
    """Keeps the 1,000 newest replies, or fewer: those whose requests have 16 MB together. For one thread at a time.

    To keep one costs next to nothing: its id, a digest of the whole request, is worked out when somebody first asks
    for any.
    """

    def __init__(self) -> None:
        self._new: deque[Ask] = deque()
        self._new_bytes = 0
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._kept_bytes = 0
        self._deleted: OrderedDict[str, None] = OrderedDict()

    def keep(self, ask: Ask) -> None:
        """Keep the reply of an ask that has `kept_as`. The same request again brings a deleted one back."""
        self._new.append(ask)
        self._new_bytes += _size(ask)
        while len(self._new) > _MOST or self._new_bytes > _MOST_BYTES:
            self._new_bytes -= _size(self._new.popleft())

    def find(self, name: str) -> Kept | None:
        self._index()
        return self._kept.get(name)

    def delete(self, name: str) -> None:
        self._index()
        if (kept := self._kept.pop(name, None)) is not None:
            self._kept_bytes -= _size(kept.ask)
            self._deleted[name] = None
            if len(self._deleted) > _MOST_DELETED:
                self._deleted.popitem(last=False)

    def is_deleted(self, name: str) -> bool:
        self._index()
        return name in self._deleted

    def _index(self) -> None:
        for ask in self._new:
            assert ask.kept_as is not None, "only such asks are kept"
            name = ask.kept_as(ask)
            if (known := self._kept.pop(name, None)) is not None:
                self._kept_bytes -= _size(known.ask)
            self._deleted.pop(name, None)
            self._kept[name] = Kept(ask)
            self._kept_bytes += _size(ask)
        self._new.clear()
        self._new_bytes = 0
        while len(self._kept) > _MOST or self._kept_bytes > _MOST_BYTES:
            self._kept_bytes -= _size(self._kept.popitem(last=False)[1].ask)


def _size(ask: Ask) -> int:
    return len(ask.request[1])
