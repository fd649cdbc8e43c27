"""Which lines count as code."""

from pathlib import Path

import pytest

from bench.__main__ import main
from bench.lines import FOLDERS, count, javascript_code, python_code, toml_code


def test_python_without_blank_lines_comments_and_docstrings() -> None:
    source = '"""Two\nlines."""\n\n# why\nx = (\n    1,\n)\n\n\ndef f():\n    """Doc."""\n    return """a\nb"""\n'
    assert python_code(source) == {5, 6, 7, 10, 12, 13}


def test_toml_without_blank_lines_and_comments() -> None:
    source = '# why\n\na = 1  # one\nb = """\n# text\n\n"""\n# end\n'
    assert toml_code(source) == {3, 4, 5, 6, 7}


def test_javascript_without_blank_lines_and_comments() -> None:
    source = "/* two\nlines */\n\n// why\nlet a = 1; // one\n/** doc */\nlet b = 2;\n"
    assert javascript_code(source) == {5, 7}


def test_a_file_that_a_link_leads_to_counts_once(tmp_path: Path) -> None:
    for name in ("chatproof", "harness"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("x = 1\n\ny = 2\n")
    (tmp_path / "chatproof" / "harness").symlink_to("../harness")
    counts = count(tmp_path)
    assert {name: (one.files, one.all_lines, one.code) for name, one in counts.items()} == {
        "chatproof": (1, 3, {"Python": 2}),
        "harness": (1, 3, {"Python": 2}),
    }


def test_the_command_prints_a_row_for_each_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lines"]) == 0
    rows = [line.split(" | ")[0].removeprefix("| ") for line in capsys.readouterr().out.splitlines()]
    assert rows == ["folder", "---", *FOLDERS, "sum"]


def test_a_folder_without_the_product_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lines", str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err
