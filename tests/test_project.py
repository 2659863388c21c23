"""Rules for the repository as a whole: its lock files, its imports, its words."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("cv_engine", "models", "satellite", "zones", "benchmarks")
LOCKS = ("requirements.lock", "requirements-dev.lock")


def _sources() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


@cache
def _imports(path: Path) -> frozenset[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return frozenset(names)


def test_import_rules_hold() -> None:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_imports_the_command_line() -> None:
    importers = [str(path) for path in _sources() if "cli" in _imports(path)]
    assert importers == []


def _importers(names: set[str], *, outside: tuple[str, ...]) -> list[str]:
    """Sources that import one of the packages, except those below some folders."""
    paths = {path.relative_to(ROOT): path for path in _sources()}
    return [
        str(name)
        for name, path in paths.items()
        if names & _imports(path) and not any(name.is_relative_to(folder) for folder in outside)
    ]


def test_torch_is_for_training_only() -> None:
    assert _importers({"torch"}, outside=("satellite/training", "models/plates/training")) == []
    assert _importers({"torchvision", "ultralytics"}, outside=()) == []
    users = [
        str(path.relative_to(ROOT))
        for path in _sources()
        if path.parent != ROOT / "satellite" / "training"
        and "satellite.training" in path.read_text(encoding="utf-8")
    ]
    assert users == ["benchmarks/change_training.py"]


def test_imagery_libraries_are_for_satellite_only() -> None:
    imagery = {"affine", "contourpy", "pyogrio", "pystac", "rasterio"}
    assert _importers(imagery, outside=("satellite", "benchmarks")) == []


def test_every_imported_package_is_a_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {name: of for name, of in project["optional-dependencies"].items() if name != "dev"}
    lines = [*project["dependencies"], *(line for extra in extras.values() for line in extra)]
    wanted = {re.split(r"[^A-Za-z0-9._-]", line)[0].lower() for line in lines}
    wanted |= {"affine", "aiohttp", "zeep"}  # rasterio's types, and the ONVIF library's errors
    packages = {
        "argon2": "argon2-cffi",
        "cv2": "opencv-python-headless",
        "onvif": "onvif-zeep-async",
        "paho": "paho-mqtt",
        "PIL": "pillow",
        "c2pa": "c2pa-python",
        "fpdf": "fpdf2",
        "prometheus_client": "prometheus-client",
        "rfc3161_client": "rfc3161-client",
        "yaml": "pyyaml",
    }
    missing = {
        packages.get(name, name)
        for path in _sources()
        if path.parts[len(ROOT.parts)] != "benchmarks"
        for name in _imports(path) - sys.stdlib_module_names - {*PACKAGES, "cli"}
    } - wanted
    assert missing == set()


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_pins_and_hashes_everything_and_names_no_host(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    requirements = [line for line in text.splitlines() if re.match(r"[a-z]", line)]
    assert requirements
    assert all("==" in line and line.endswith("\\") for line in requirements)
    assert text.count("--hash=sha256:") >= len(requirements)
    assert "://" not in text
    assert not re.search(r"(^|\s)(-f|--index-url|--extra-index-url|--find-links)\b", text)


def test_the_core_lock_has_what_the_project_asks_for_and_no_torch() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    locked = set(re.findall(r"(?m)^([a-z0-9._-]+)==", (ROOT / "requirements.lock").read_text()))
    wanted = {re.split(r"[^A-Za-z0-9._-]", line)[0].lower() for line in project["dependencies"]}
    assert wanted <= locked
    assert not locked & {"torch", "torchvision", "ultralytics", "opencv-python"}


def test_both_locks_agree() -> None:
    core, dev = (
        set(re.findall(r"(?m)^([a-z0-9._-]+==\S+)", (ROOT / n).read_text())) for n in LOCKS
    )
    assert core <= dev


def test_long_modules_are_one_concept() -> None:
    """A module over 400 lines is split, or its one concept is named here."""
    concepts = {
        "cv_engine/scene/background.py": "one model of the view, per pixel",
        "satellite/commands.py": "one short function per command",
    }
    long = {
        str(path.relative_to(ROOT))
        for path in [*_sources(), ROOT / "cli.py"]
        if len(path.read_text(encoding="utf-8").splitlines()) > 400
    }
    assert long == concepts.keys()


def test_links_in_the_documents_resolve() -> None:
    broken = [
        f"{page.name}: {target}"
        for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert broken == []


def test_every_command_in_the_documents_exists() -> None:
    import typer.main

    import cli

    main = typer.main.get_command(cli.app)
    groups = {name: getattr(group, "commands", {}) for name, group in main.commands.items()}  # type: ignore[attr-defined]
    command = r"(?m)(?:`|^ {4})cv-engine (?:-[^\s`]+ )*([a-z]+)(?: ([a-z][a-z-]*))?"
    wrong = []
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = page.read_text(encoding="utf-8")
        for name, second in re.findall(command, text):
            if name not in groups or (groups[name] and second not in groups[name]):
                wrong.append(f"{page.name}: cv-engine {name} {second}")
    assert wrong == []


def test_codespell_finds_every_phrase_of_its_dictionary(tmp_path: Path) -> None:
    phrases = (ROOT / "docs" / "phrases.txt").read_text(encoding="utf-8").splitlines()
    found = [phrase.partition("->")[0] for phrase in phrases]
    text = tmp_path / "text.md"
    lines = (f"name: {phrase.capitalize()}" for phrase in found)
    text.write_text("\n".join([*lines, "a plain sentence goes only as far as the mirror"]))
    command = [sys.executable, "-m", "codespell_lib", "--config", ".codespellrc", str(text)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    reported = re.findall(r"(?m): (\S.*) ==> ", done.stdout)
    assert [phrase.lower() for phrase in reported] == found


def test_no_unfinished_code() -> None:
    pattern = re.compile(r"\b(TODO|FIXME|XXX|raise NotImplementedError)\b")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in _sources()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []


def test_benchmarks_are_listed_by_name() -> None:
    command = [sys.executable, "-m", "benchmarks"]
    listed = subprocess.run(
        [*command, "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "benchmarks:" in listed.stdout
    assert "average-precision" not in listed.stdout  # a part of one, not one
    wrong = subprocess.run(
        [*command, "nothing"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert wrong.returncode == 2
    assert "there is no benchmark 'nothing'" in wrong.stderr


def test_every_function_in_the_documents_exists() -> None:
    missing = []
    for page in sorted((ROOT / "docs").glob("*.md")):
        named = re.findall(r"`([\w/]+\.py):([\w.]+)`", page.read_text(encoding="utf-8"))
        missing += [f"{file}:{name}" for file, name in named if name not in _definitions(file)]
    assert missing == []


@cache
def _definitions(file: str) -> frozenset[str]:
    """Functions, classes and methods of a file, such as ``Observer.begin``."""
    if not (ROOT / file).exists():
        return frozenset()
    names = set()
    for node in ast.parse((ROOT / file).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
            inner = node.body if isinstance(node, ast.ClassDef) else []
            names |= {f"{node.name}.{n.name}" for n in inner if isinstance(n, ast.FunctionDef)}
    return frozenset(names)
