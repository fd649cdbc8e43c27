"""What the wheel holds: without its data files the suite would not even be collected."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_wheel_is_whole(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)
    (wheel,) = tmp_path.glob("chatproof-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "chatproof_pytest.py" in names
    assert "harness/protocol/requirements.toml" in names
    assert "conformance/conftest.py" in names
    page = {f"reference_server/playground/{path.name}" for path in (ROOT / "reference_server/playground").iterdir()}
    assert page
    assert page <= set(names)
    scripts = {path.name for path in (ROOT / "fake_providers" / "scripts").glob("*.toml")}
    assert {Path(name).name for name in names if name.startswith("fake_providers/scripts/")} == scripts
    assert not [name for name in names if name.startswith(("tests/", "docs/", ".ci/"))]
    (entry_points,) = [name for name in names if name.endswith("entry_points.txt")]
    text = zipfile.ZipFile(wheel).read(entry_points).decode()
    assert "chatproof = harness.command:main" in text
    assert "chatproof = chatproof_pytest" in text
