"""What the wheel holds, and that it works where there is no checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROWS = "REQ-01,SSE-02,TOK-04,SIO-02"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)
    (built,) = folder.glob("chatproof-*.whl")
    return built


def test_the_wheel_is_whole(wheel: Path) -> None:
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


@pytest.mark.parametrize(
    "command",
    [
        ["-m", "chatproof.harness.command", "check"],
        ["-m", "pytest", "--pyargs", "conformance", "-p", "no:cacheprovider"],
    ],
    ids=["chatproof check", "pytest --pyargs"],
)
def test_the_wheel_judges_a_server_from_any_folder(wheel: Path, tmp_path: Path, command: list[str]) -> None:
    installed, elsewhere = tmp_path / "installed", tmp_path / "elsewhere"
    zipfile.ZipFile(wheel).extractall(installed)  # all that installing one does, where its dependencies are there
    elsewhere.mkdir()
    (elsewhere / "pytest.ini").write_text(
        "[pytest]\nasyncio_mode = strict\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = error\n",
        encoding="utf-8",
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment["PYTHONPATH"] = str(installed)  # before the checkout
    start = f"{sys.executable} -m reference_server --port {{port}}"
    ran = subprocess.run(
        [sys.executable, *command, "--start", start, "--provider", "openai", "--only", ROWS],
        cwd=elsewhere,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "chatproof: PASS" in ran.stdout
    assert "4 rows passed" in ran.stdout
    where = [sys.executable, "-c", "import harness, conformance, chatproof_pytest as c; print(harness, conformance, c)"]
    found = subprocess.run(where, cwd=elsewhere, env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.count(str(installed)) == 3
