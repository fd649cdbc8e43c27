"""The house's rules about who may import whom, read from the imports themselves. See CONTRIBUTING.md."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
PARTS = ("harness", "fake_providers", "reference_server", "conformance", "loadtests")
OUTSIDE = ("chatproof", "bench", "field", "tests")  # names that our own imports may begin with

# What each part may import of the house, and whether it may import from outside. The longest prefix counts.
MAY: dict[str, tuple[tuple[str, ...], bool]] = {
    "chatproof": (PARTS, True),
    "chatproof.harness.protocol": (("harness.protocol",), False),
    "chatproof.harness.common": (("harness.protocol", "harness.common"), False),
    "chatproof.harness.client": (("harness.protocol", "harness.common", "harness.client"), True),
    "chatproof.harness.report": (("harness.protocol", "harness.common", "harness.report"), False),
    "chatproof.harness": (PARTS, True),
    "chatproof.fake_providers": (("fake_providers", "harness.common"), True),
    # the launcher starts the fakes for a server that runs offline; checks and suite stay out of reach
    "chatproof.reference_server": (("reference_server", "fake_providers.server.launcher"), True),
    "chatproof.conformance": (("harness", "fake_providers", "conformance"), True),
    "chatproof.loadtests": (
        ("harness.protocol", "harness.common", "harness.report", "fake_providers", "loadtests"),
        True,
    ),
    "bench": (PARTS, True),
    "field": (PARTS, True),
    "tests": (PARTS, True),
}
# The floors of fake_providers, from the ground up. A room may import itself and the rooms of the lines before it.
ROOMS = tuple(
    (room,)
    for room in (
        "scripting",
        "models",
        "structured",
        "dialects",
        "wires",
        "planning",
        "journal",
        "server",
        "record",
        "testing",
    )
)
BORROWS = {("field.public_servers", "bench"), ("field.__main__", "bench")}  # how peers are installed
WORLD = {"socket", "asyncio", "time", "ssl", "select", "threading", "subprocess", "random", "os"}
DIALECT = "each dialect has its own, and it is the same thing in each"
SAME = {  # names of files and classes that stand in several places, and why
    "__init__.py": "Python's",
    "__main__.py": "Python's",
    "dialect.py": DIALECT,
    "error_bodies.py": DIALECT,
    "reply.py": DIALECT,
    "request.py": DIALECT,
    "Problem": DIALECT,
    "Usage": "a reply's token counts; the reference server shares no code with the suite",
}
LONGEST_FILE = 300  # lines, about


@cache
def modules() -> dict[str, Path]:
    """All modules of the house, by dotted name."""
    found = {}
    for top in OUTSIDE:
        for folder, folders, files in os.walk(ROOT / top, followlinks=True):
            folders[:] = [one for one in folders if one != "node_modules"]
            for path in (Path(folder) / name for name in sorted(files) if name.endswith(".py")):
                found[".".join(path.relative_to(ROOT).with_suffix("").parts)] = path
    assert len(found) > 300, "the links in chatproof/ lead nowhere"
    return found


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports(path: Path) -> tuple[str, ...]:
    """Every module that a file imports, inside functions too."""

    def read() -> Iterator[str]:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: relative import"
                assert node.module is not None
                yield node.module
                yield from (full for alias in node.names if (full := f"{node.module}.{alias.name}") in modules())

    return tuple(read())


def within(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(f"{prefix}.")


def test_imports_keep_the_table() -> None:
    wrong = []
    for name, path in modules().items():
        part = max((prefix for prefix in MAY if within(name, prefix)), key=len)
        house, outside = MAY[part]
        for imported in imports(path):
            top, _, rest = imported.partition(".")
            if top == "chatproof":
                allowed = not rest or any(within(rest, one) for one in house)
            elif top in OUTSIDE:
                allowed = top == name.partition(".")[0] or name.startswith("tests") or (name, top) in BORROWS
            else:
                allowed = outside or top in sys.stdlib_module_names
            if not allowed:
                wrong.append(f"{name} imports {imported}")
    assert not wrong, "\n".join(wrong)


def test_the_scripts_of_the_field_know_nothing_of_the_house() -> None:
    for name, path in modules().items():
        if within(name, "field.repro"):
            outside = {one.partition(".")[0] for one in imports(path)} - sys.stdlib_module_names
            assert all(one.partition("_")[0] == "plain" for one in outside), name


def test_the_rooms_of_the_fakes_import_downwards_only() -> None:
    top, wrong, seen = "chatproof.fake_providers", [], set()
    for name, path in modules().items():
        room = name.removeprefix(f"{top}.").partition(".")[0]
        if not within(name, top) or room == "__main__":  # the command may use every room
            continue
        seen.add(room)
        floor = next(number for number, rooms in enumerate(ROOMS) if room in rooms)
        allowed = {room}.union(*ROOMS[:floor])
        for imported in imports(path):
            if within(imported, top) and imported.removeprefix(f"{top}.").partition(".")[0] not in allowed:
                wrong.append(f"{name} imports {imported}")
    assert not wrong, "\n".join(wrong)
    assert seen == {room for rooms in ROOMS for room in rooms}


def test_no_import_runs_in_a_circle() -> None:
    known = modules()
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
    for name, path in modules().items():
        if within(name, "chatproof.harness.protocol"):
            assert not {imported.partition(".")[0] for imported in imports(path)} & WORLD, name


def test_the_common_floor_knows_no_event_loop() -> None:
    for name, path in modules().items():
        if within(name, "chatproof.harness.common"):
            assert not {imported.partition(".")[0] for imported in imports(path)} & {"asyncio", "gevent"}, name


def test_no_name_of_a_file_or_class_stands_for_two_things() -> None:
    found: dict[str, set[str]] = {}
    for name, path in modules().items():
        if within(name, "chatproof"):
            classes = [one.name for one in ast.walk(tree(path)) if isinstance(one, ast.ClassDef)]
            for noun in (*classes, path.name):
                found.setdefault(noun, set()).add(name)
    assert {noun: names for noun, names in found.items() if len(names) > 1 and noun not in SAME} == {}
    assert [noun for noun in SAME if len(found.get(noun, ())) < 2] == [], "no longer needed"


def test_a_file_is_one_noun() -> None:
    for name, path in modules().items():
        if not within(name, "tests"):
            length = len(path.read_text(encoding="utf-8").splitlines())
            assert length <= LONGEST_FILE * 1.1, f"{name} has {length} lines"
