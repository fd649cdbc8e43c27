"""What the wheel and the sdist hold, and that the wheel works where there is no checkout.

The tests need no network: an empty environment gets the wheel, and links to the dependencies that are installed here.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from pathlib import Path

import httpx
import pytest
from mypy.find_sources import create_source_list
from mypy.options import Options
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from chatproof import __version__
from chatproof.harness.common.extras import MODULES
from tests.installed_wheel import build, link_dependencies, wheel_in

ROOT = Path(__file__).parent.parent
PARTS = ("conformance", "fake_providers", "harness", "loadtests", "reference_server")
ROWS = "REQ-01,SSE-02,TOK-04,SIO-02"
SERVER = "-m chatproof.reference_server --port {port}"
CONFIGURATION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist and the wheel of this checkout."""
    folder = tmp_path_factory.mktemp("built")
    build(ROOT, folder, "-t", "sdist", "-t", "wheel")
    return folder


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def source_files() -> set[str]:
    """The files that git knows or would add, relative to the checkout."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60)
    return {name for name in listed.stdout.splitlines() if (ROOT / name).is_file()}


# -- the archives


def test_the_wheel_holds_the_package_and_its_metadata(built: Path) -> None:
    names = set(contents(wheel_in(built)))
    package = {name for name in names if name.startswith("chatproof/")}
    own = {name for name in source_files() if name.startswith("chatproof/")}
    linked = {f"chatproof/{name}" for name in source_files() if name.startswith(tuple(f"{part}/" for part in PARTS))}
    assert package == own | linked
    assert "chatproof/py.typed" in package
    metadata = f"chatproof-{__version__}.dist-info"
    assert names - package == {f"{metadata}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt")}
    text = contents(wheel_in(built))[f"{metadata}/entry_points.txt"].decode()
    assert "chatproof = chatproof.harness.command:main" in text
    assert "chatproof = chatproof.pytest_plugin" in text


def test_the_sdist_makes_the_same_wheel(built: Path, tmp_path: Path) -> None:
    (sdist,) = built.glob("chatproof-*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (unpacked,) = tmp_path.iterdir()
    expected = {"PKG-INFO", "README.md", "chatproof", "hatch_build.py", "pyproject.toml", ".gitignore"}
    assert {path.name for path in unpacked.iterdir()} == expected
    build(unpacked, tmp_path / "again", "-t", "wheel")
    assert contents(wheel_in(tmp_path / "again")) == contents(wheel_in(built))


def test_no_build_and_no_setup_without_the_links(tmp_path: Path) -> None:
    """A checkout on Windows without symbolic links has small text files in their place."""
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "Makefile", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "chatproof").mkdir()
    shutil.copy(ROOT / "chatproof" / "__init__.py", tmp_path / "chatproof")
    for part in PARTS:
        (tmp_path / "chatproof" / part).write_text(f"../{part}", encoding="utf-8")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel"]
    for stopped in (command, ["make", "setup", "PYTHON=false"], [sys.executable, "-m", "chatproof.harness.command"]):
        ran = subprocess.run(stopped, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        assert ran.returncode
        assert "The links in chatproof/ did not arrive" in ran.stderr.splitlines()[0]


# -- the rules in pyproject.toml


def test_mypy_reads_every_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    options = Options()
    options.explicit_package_bases, options.mypy_path = True, [str(ROOT)]
    files: list[str] = CONFIGURATION["tool"]["mypy"]["files"]
    read = {Path(source.path).resolve() for source in create_source_list(files, options) if source.path}
    assert {ROOT / name for name in source_files() if name.endswith(".py")} <= read


def test_ruff_bans_the_bare_names() -> None:
    command = [sys.executable, "-m", "ruff", "check", "--stdin-filename", str(ROOT / "bench" / "some.py"), "-"]
    lines = "".join(f"from {part}.some import one\n" for part in PARTS)
    ran = subprocess.run(command, input=lines, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)
    assert ran.stdout.count("TID251") == len(PARTS)


def test_the_documents_name_every_dependency() -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    project = CONFIGURATION["project"]
    extras = project["optional-dependencies"]
    lines = [*project["dependencies"], *extras["reference"], *extras["load"], *extras["inprocess"]]
    assert [line for line in lines if not re.search(rf"\b{Requirement(line).name}\b", page)] == []


def test_what_a_command_misses_is_in_the_extra_that_it_names() -> None:
    brought = packages_distributions()
    for extra, modules in MODULES.items():
        wanted = CONFIGURATION["project"]["optional-dependencies"][extra]
        names = {canonicalize_name(Requirement(line).name) for line in wanted}
        assert {canonicalize_name(name) for module in modules for name in brought[module]} <= names


# -- the wheel in an empty environment, inside a project that has the five names itself


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment with the wheel, and a user's project in which its commands run."""

    python: Path
    project: Path

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """The output of a command of the environment."""
        program, *words = command
        return subprocess.run(
            [str(self.python.with_name(program)), *words],
            cwd=self.project,
            env=self.variables(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def variables(self) -> dict[str, str]:
        """This process's environment variables, without those that lead back to the checkout."""
        return {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PYTHON"))}

    def imported(self) -> list[str]:
        """Which of the project's five packages a command has imported."""
        record = self.project / "imported.txt"
        return sorted(set(record.read_text(encoding="utf-8").split())) if record.exists() else []


def environment(folder: Path, wheel: Path, extras: list[str]) -> Environment:
    """Install the wheel as pip does, and link the dependencies that it names for these extras."""
    home, links, project = folder / "venv", folder / "dependencies", folder / "project"
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check", "install"]
    command += ["--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    link_dependencies(home, links, wheel, extras)
    project.mkdir()
    (project / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n", encoding="utf-8")
    for part in PARTS:
        (project / part).mkdir()
        (project / part / "__init__.py").write_text(
            "from pathlib import Path\n"
            "with Path(__file__).parent.with_name('imported.txt').open('a', encoding='utf-8') as file:\n"
            f"    file.write('{part} ')\n",
            encoding="utf-8",
        )
    return Environment(python, project)


@pytest.fixture(scope="module")
def whole(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """chatproof[all]."""
    return environment(tmp_path_factory.mktemp("all"), wheel_in(built), ["all"])


@pytest.fixture(scope="module")
def core(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """chatproof without an extra."""
    return environment(tmp_path_factory.mktemp("core"), wheel_in(built), [])


@pytest.fixture(autouse=True)
def no_bare_import(request: pytest.FixtureRequest) -> Iterator[None]:
    """No command may import the project's own packages, except those that the project's tests import."""
    yield
    for name in {"whole", "core"} & set(request.fixturenames):
        assert request.getfixturevalue(name).imported() in ([], ["harness"])


def test_the_installed_command_says_its_version(core: Environment) -> None:
    ran = core.run("chatproof", "--version")
    assert ran.stdout == f"chatproof {__version__}\n", ran.stderr
    where = core.run("python", "-c", "import chatproof; print(chatproof.__file__)")
    assert where.stdout.startswith(str(core.python.parent.parent)), "the checkout is visible"


def test_the_core_judges_a_server(core: Environment, whole: Environment) -> None:
    ran = core.run("chatproof", "check", "--start", f"{whole.python} {SERVER}", "--provider", "openai", "--only", ROWS)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "chatproof: PASS" in ran.stdout
    assert "4 rows passed" in ran.stdout


def test_the_core_serves_the_fake_providers(core: Environment) -> None:
    """Without uvloop, which is an extra."""
    command = [str(core.python.with_name("chatproof")), "providers", "--port", "0"]
    with subprocess.Popen(
        command, cwd=core.project, env=core.variables(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as served:
        try:
            assert served.stdout is not None
            url = re.search(r"http://[\d.]+:\d+", served.stdout.readline())
            assert url is not None
            assert httpx.get(f"{url.group()}/_fake/health", trust_env=False).status_code == 200
        finally:
            served.terminate()
            _, errors = served.communicate(timeout=10)
    assert (served.returncode, errors) == (0, "")


@pytest.mark.parametrize(("command", "extra"), [(["serve"], "reference"), (["load", "run"], "load")])
def test_a_command_names_the_extra_that_it_misses(core: Environment, command: list[str], extra: str) -> None:
    ran = core.run("chatproof", *command)
    assert ran.returncode == 2
    assert ran.stderr.count("\n") == 1
    assert f"install chatproof with its extra, chatproof[{extra}]" in ran.stderr


def test_pytest_judges_a_server_by_pyargs(whole: Environment) -> None:
    suite = ["--pyargs", "chatproof.conformance", "-p", "no:cacheprovider"]
    start = ["--start", f"{whole.python} {SERVER}", "--provider", "openai", "--only", "REQ-01"]
    ran = whole.run("python", "-m", "pytest", *suite, *start)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "chatproof: PASS" in ran.stdout


def test_a_load_test_runs(whole: Environment) -> None:
    load = ["--start", f"{whole.python} {SERVER}", "--users", "1", "--duration", "1", "--no-calibration"]
    load += ["--slo", "complete_share>=99%"]  # no objective that a busy machine could miss
    ran = whole.run("chatproof", "load", "run", *load)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "PASS" in ran.stdout
    located = whole.run("chatproof", "load", "locustfile").stdout.strip()
    assert Path(located).is_file()
    assert "ChatSocketIO" in whole.run("python", "-m", "locust", "-f", located, "--list").stdout


TEST = """
import httpx
import pytest
from chatproof.fake_providers.testing import fails, says

import harness

KEY = {"Authorization": "Bearer any"}


def test_in_process(fake_openai):
    url = f"{fake_openai.url}/v1/models"
    assert httpx.get(url, headers={"Authorization": "Bearer any"}).status_code == 200


@pytest.mark.fake_providers(unscripted="error", never_asked="error", pace="instant")
def test_one_line(fake_openai):
    fake_openai.plays(fails(503), says("Paris"))
    asked = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
    for status in (503, 200):
        assert httpx.post(f"{fake_openai.base_url}/chat/completions", json=asked, headers=KEY).status_code == status


def test_served(fake_server):
    assert httpx.get(f"{fake_server.url}/_fake/health", trust_env=False).status_code == 200


def test_own_package():
    assert harness.__file__.endswith("project/harness/__init__.py")
"""


def test_a_project_uses_the_fixtures_and_its_own_packages(core: Environment) -> None:
    (core.project / "test_own.py").write_text(TEST, encoding="utf-8")
    ran = core.run("python", "-m", "pytest", "-p", "no:cacheprovider", "test_own.py")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "4 passed" in ran.stdout
