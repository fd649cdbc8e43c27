"""What a page looks like, measured in the browser: scripts for `Page.evaluate`. looks.js says what each finds.

All of them find nothing where the page is as it should be, but `CONTRASTS`, which gives every text with its contrast.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

_LIBRARY: Final = Path(__file__).with_name("looks.js").read_text(encoding="utf-8")


def _script(function: str) -> str:
    return f"() => {{ {_LIBRARY}\nreturn {function}(); }}"


CONTRASTS: Final = _script("contrasts")
OVERLAPS: Final = _script("overlaps")
OVERFLOW: Final = _script("overflow")
SQUEEZED: Final = _script("squeezed")
VOIDS: Final = _script("voids")
SMALL: Final = _script("small")
LEAST_CONTRAST: Final = 4.5
