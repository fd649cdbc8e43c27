"""A project of Python: pyproject.toml or requirements.txt, and the application that its sources make."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from chatproof.harness.project.known_packages import PYTHON_OLLAMA
from chatproof.harness.project.project_folder import Guess, ProjectFolder, plain
from chatproof.harness.project.project_look import ProjectLook
from chatproof.harness.project.start_guess import image_command, process_command, python_command

MANIFESTS: Final = ("pyproject.toml", "requirements.txt", "Pipfile", "setup.py")
FRAMEWORKS: Final = ("fastapi", "flask", "django", "quart", "litestar", "sanic", "starlette", "aiohttp", "tornado")
BY_ASGI: Final = ("FastAPI", "Starlette", "Quart", "Litestar", "Sanic")
APPLICATION: Final = (
    r"^(?P<name>\w+)\s*(?::[^=\n]+)?=\s*(?:\w+\.)?(?P<kind>FastAPI|Starlette|Quart|Litestar|Sanic|Flask)\("
)
FACTORY: Final = r"^(?:async )?def (?P<name>create_app|make_app|get_app)\("
RUNS_ITSELF: Final = r"^\s+(?:socketio|sio|app|server|uvicorn|web|asyncio)\.(?:run|run_app)\("
MAIN_FILES: Final = ("main.py", "app.py", "server.py", "src/main.py", "app/main.py")
READS_PORT: Final = r"""(?:environ(?:\.get\(|\[)|getenv\()\s*["']PORT["']"""
FIXED_PORT: Final = r"\.(?:run|run_app)\([^)]*\bport\s*=\s*(\d{4,5})\b"
_NAME: Final = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


def look_at_python(project: ProjectFolder) -> ProjectLook | None:
    """None where no file says that it is Python's."""
    manifest = next((name for name in MANIFESTS if project.has(name)), None)
    if manifest is None:
        return None
    packages = dict(_packages(project))
    framework = next((name for name in FRAMEWORKS if name in packages), "")
    python = _interpreter(project)
    look = ProjectLook(
        kind="python",
        manifest=manifest,
        packages=packages,
        framework=framework,
        start=_start(project, python, packages),
        setup=_setup(project),
        tools=["- uses: astral-sh/setup-uv@v6"] if project.has("uv.lock") else [],
    )
    if look.start and "{port}" in look.start.value:
        look.reads_port = Guess("{port}", "the start command")
    elif reads := project.find(READS_PORT):
        look.reads_port = Guess("PORT", reads[1])
    elif fixed := project.find(FIXED_PORT):
        look.port = Guess(fixed[0][1], fixed[1])
    if "ollama" in packages:
        look.notes.append(
            f"ollama's Python client reads OLLAMA_HOST, and the suite sets LOCAL_LLM_URL: {PYTHON_OLLAMA}"
        )
    return look


def environment_folder(project: ProjectFolder) -> str:
    """The folder of the project's virtual environment, or where one would be made."""
    return "venv" if project.has("venv/bin/python") and not project.has(".venv") else ".venv"


def _interpreter(project: ProjectFolder) -> str:
    folder = environment_folder(project)
    if project.has("uv.lock") or project.has(f"{folder}/bin/python"):
        return f"{folder}/bin/python"
    return "poetry run python" if project.has("poetry.lock") else "python"


def _packages(project: ProjectFolder) -> Iterator[tuple[str, str]]:
    """The names of what it depends on, each with the file that names it."""
    document = project.toml("pyproject.toml")
    table = plain(document.get("project"))
    lists: list[Any] = [table.get("dependencies"), *plain(table.get("optional-dependencies")).values()]
    lists += plain(document.get("dependency-groups")).values()
    poetry = plain(plain(document.get("tool")).get("poetry"))
    for line in (line for one in lists if isinstance(one, list) for line in one if isinstance(line, str)):
        yield from _named([line], "pyproject.toml")
    yield from _named(plain(poetry.get("dependencies")), "pyproject.toml")
    yield from _named(plain(project.toml("Pipfile").get("packages")), "Pipfile")
    for name in ("requirements.txt", "requirements.in", "requirements/base.txt", "requirements/prod.txt"):
        yield from _named(project.text(name).splitlines(), name)


def _named(lines: Iterable[str], where: str) -> Iterator[tuple[str, str]]:
    for line in lines:
        if found := _NAME.match(line):
            yield re.sub(r"[-_.]+", "-", found[1]).lower(), where


def _start(project: ProjectFolder, python: str, packages: dict[str, str]) -> Guess | None:
    for command, source in ((image_command(project), "Dockerfile: CMD"), (process_command(project), "Procfile: web")):
        if found := python_command(command, python):
            return Guess(found, source)
    if project.has("manage.py") and "manage.py" in project.sources:
        return _django(project, python, packages)
    if application := project.find(APPLICATION) or _factory(project):
        return _served(project, python, application)
    there = next((name for name in MAIN_FILES if project.has(name)), None)
    return Guess(f"{python} {there}", f"{there} is there") if there else None


def _factory(project: ProjectFolder) -> tuple[re.Match[str], str] | None:
    return project.find(FACTORY) if project.find(r"\b(?:FastAPI|Flask|Quart|Starlette|Litestar)\(") else None


def _served(project: ProjectFolder, python: str, application: tuple[re.Match[str], str]) -> Guess:
    """The command that serves an application, or a function that makes one."""
    found, where = application
    file, name = where.rpartition(":")[0], found["name"]
    kind = found.groupdict().get("kind") or _kind(project)
    if re.search(RUNS_ITSELF, project.sources[file], re.MULTILINE) and re.search(READS_PORT, project.sources[file]):
        return Guess(f"{python} {file}", where)
    if kind not in BY_ASGI:
        return Guess(f"{python} -m flask --app {file}:{name} run --port {{port}}", where)
    folder, module = ("src", file.removeprefix("src/")) if file.startswith("src/") else ("", file)
    target = f"{module.removesuffix('.py').replace('/', '.').removesuffix('.__init__')}:{name}"
    options = f"{' --factory' * ('kind' not in found.groupdict())}{' --app-dir src' * bool(folder)}"
    return Guess(f"{python} -m uvicorn {target}{options} --host 127.0.0.1 --port {{port}}", where)


def _kind(project: ProjectFolder) -> str:
    made = project.find(r"\b(FastAPI|Flask|Quart|Starlette|Litestar)\(")
    return made[0][1] if made else "Flask"


def _django(project: ProjectFolder, python: str, packages: dict[str, str]) -> Guess:
    module = next((name for name in project.sources if name.endswith("asgi.py")), "")
    if module and "uvicorn" in packages:
        target = f"{module.removesuffix('.py').replace('/', '.')}:application"
        return Guess(f"{python} -m uvicorn {target} --host 127.0.0.1 --port {{port}}", module)
    return Guess(f"{python} manage.py runserver --noreload 127.0.0.1:{{port}}", "manage.py is there")


def _setup(project: ProjectFolder) -> list[str]:
    """Lines that install it into the environment folder of a fresh checkout."""
    if project.has("uv.lock"):
        return ["uv sync --frozen"]
    if project.has("poetry.lock"):
        return ["pipx install poetry", "poetry install"]
    folder = environment_folder(project)
    what = "-r requirements.txt" if project.has("requirements.txt") else "."
    return [f"python3 -m venv {folder}", f"{folder}/bin/python -m pip install {what}"]
