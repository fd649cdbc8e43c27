"""The reference server is to be read in one sitting."""

from pathlib import Path

from bench.lines import python_code
from chatproof.reference_server import generation

MOST = 1475  # limits and sessions bounded in bytes, in Redis too; other origins' pages; misspelt settings; 4 providers
FOLDER = Path(generation.__file__).parent


def test_the_server_stays_small() -> None:
    """Without its page and the module that serves the page."""
    modules = [path for path in sorted(FOLDER.rglob("*.py")) if path.name != "pages.py"]
    counts = {
        path.relative_to(FOLDER).as_posix(): len(python_code(path.read_text(encoding="utf-8"))) for path in modules
    }
    assert sum(counts.values()) < MOST, counts
