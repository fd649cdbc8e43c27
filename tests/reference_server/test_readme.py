"""The README's table of settings says what the settings are."""

import re
from dataclasses import fields
from pathlib import Path

from chatproof.reference_server import generation
from chatproof.reference_server.config import Config

FOLDER = Path(generation.__file__).parent
README = (FOLDER / "README.md").read_text(encoding="utf-8")


def test_every_setting_is_there_with_its_default_in_the_order_of_the_code() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| (?:`(.*?)`)? ?\| [^|]+ \| [^|]+ \|$", README, re.M)
    shown = {"": "", "()": ""}
    defaults = [(one.name.upper(), str(one.default)) for one in fields(Config) if one.metadata]
    assert rows == [(name, shown.get(default, default)) for name, default in defaults]


def test_the_files_that_it_names_exist_and_none_is_left_out() -> None:
    reading = README.partition("## Reading the code")[2]
    named = set(re.findall(r"`(\w+\.py)`", reading))
    known = {path.name for path in FOLDER.rglob("*.py")}
    assert named <= known
    providers = {path.name for path in (FOLDER / "providers").glob("*.py")}
    apart = {"__init__.py", "__main__.py", "pages.py"} | providers
    assert known - named <= apart
