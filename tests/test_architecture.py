"""The house's rules about who may import whom, read from the imports themselves."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = ("harness", "fake_providers", "reference_server", "conformance", "loadtests", "bench", "tests")
THIRD_PARTY = "third party"

# What each part may import of the house, and whether it may import from outside. Longest prefix counts.
MAY: dict[str, tuple[tuple[str, ...], bool]] = {
    "harness.protocol": (("harness.protocol",), False),
    "harness": (("harness",), True),
    "fake_providers": (("fake_providers",), True),
    # the process handle starts the fakes for a server that runs offline; checks and suite stay out of reach
    "reference_server": (("harness.protocol.messages", "fake_providers.process"), True),
    "conformance": (("harness", "fake_providers", "conformance"), True),
    "loadtests": (("harness.protocol", "fake_providers", "loadtests"), True),
    "bench": (OURS, True),
    "tests": (OURS, True),
}
ITSELF = {"reference_server": "reference_server"}
LONGEST_FILE = 300  # lines, about


def modules() -> list[tuple[str, Path]]:
    """All modules of the house, by dotted name."""
    paths = [path for top in OURS for path in sorted((ROOT / top).rglob("*.py"))]
    return [(".".join(path.relative_to(ROOT).with_suffix("").parts), path) for path in paths]


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: relative import"
            assert node.module is not None
            yield node.module


def within(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(f"{prefix}.")


@pytest.mark.parametrize(("name", "path"), modules(), ids=lambda value: value if isinstance(value, str) else "")
def test_imports_keep_the_table(name: str, path: Path) -> None:
    part = max((prefix for prefix in MAY if within(name, prefix)), key=len)
    house, outside = MAY[part]
    allowed = (*house, *filter(None, [ITSELF.get(part)]))
    for imported in imports(path):
        top = imported.partition(".")[0]
        if top in OURS:
            assert any(within(imported, one) for one in allowed), f"{name} imports {imported}"
        elif top not in sys.stdlib_module_names:
            assert outside, f"{name} imports {imported} from outside"


def test_nothing_imports_bench_or_tests() -> None:
    for name, path in modules():
        if not within(name, "tests") and not within(name, "bench"):
            assert not {imported.partition(".")[0] for imported in imports(path)} & {"bench", "tests"}, name


def test_no_import_runs_in_a_circle() -> None:
    known = dict(modules())
    edges = {name: {one for one in imports(path) if one in known} for name, path in known.items()}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, f"circle: {' -> '.join((*trail, name))}"
        if name not in done:
            for one in edges[name]:
                visit(one, (*trail, name))
            done.add(name)

    for name in known:
        visit(name, ())


def test_the_protocol_knows_no_clock_and_no_socket() -> None:
    world = {"socket", "asyncio", "time", "ssl", "select", "threading", "subprocess", "random", "os"}
    for name, path in modules():
        if within(name, "harness.protocol"):
            assert not {imported.partition(".")[0] for imported in imports(path)} & world, name


@pytest.mark.parametrize(("name", "path"), modules(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_file_is_one_noun(name: str, path: Path) -> None:
    if not within(name, "tests"):
        length = len(path.read_text(encoding="utf-8").splitlines())
        assert length <= LONGEST_FILE * 1.1, f"{name} has {length} lines"
