"""What an environment holds, and which distributions a requirement brings."""

from pathlib import Path

import pytest
from packaging.requirements import Requirement

from bench.install import Installed, print_tables


def add(folder: Path, name: str, size: int, *requires: str) -> None:
    """Write a distribution as pip installs it, with one file of `size` bytes and a compiled one."""
    about = folder / f"{name}-1.0.dist-info"
    about.mkdir()
    lines = "".join(f"Requires-Dist: {line}\n" for line in requires)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{lines}")
    for file in (f"{name}.py", f"{name}.pyc"):
        (folder / file).write_text("#" * size)
    (about / "RECORD").write_text(f"{name}.py,,\n{name}.pyc,,\n")


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    add(tmp_path, "chatproof", 9, "Web_Server", "parser", 'pictures; extra == "load"')
    add(tmp_path, "web-server", 2_000_000, "parser[fast]", "absent; sys_platform == 'none'")
    add(tmp_path, "parser", 300_000, 'speedups; extra == "fast"')
    add(tmp_path, "speedups", 1_000_000)
    add(tmp_path, "pictures", 5_000_000)
    return Installed.read(tmp_path)


def test_compiled_files_do_not_count(installed: Installed) -> None:
    assert installed.sizes["parser"] == 300_000


def test_extras_and_what_they_need_are_followed(installed: Installed) -> None:
    assert installed.closure([Requirement("parser")]) == {"parser"}
    assert installed.closure([Requirement("web.server")]) == {"web-server", "parser", "speedups"}


def test_the_tables_say_what_each_brings(installed: Installed, capsys: pytest.CaptureFixture[str]) -> None:
    print_tables({"": installed, "load": installed})
    lines = capsys.readouterr().out.splitlines()
    assert "| `chatproof[load]` | 4 | 8.3 |" in lines
    assert "| web-server | core | 2.0 | 3 | 3.3 | 2 | 3.0 |" in lines
    assert "| parser | core | 0.3 | 1 | 0.3 | 0 | 0.0 |" in lines
    assert "| pictures | load | 5.0 | 1 | 5.0 | 1 | 5.0 |" in lines
