"""Is the ground level: pins, conda file, committed files, imports, layers and sizes."""

import ast
import json
import re
import runpy
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
PIN_FILES = ("bootstrap.txt", "demo.txt", "all.txt")

# The house, from the floor up. A room imports only from floors below its own; rooms on one floor
# are strangers. A dotted room is a module that stands on another floor than its package.
LAYERS = {
    0: "errors",
    1: "provenance value words",
    2: "analysis clip cost database experiment sketch statistics",
    3: "analysis.seam_material audio_files learned packed preview request",
    4: "analysis.checks analysis.fit_seams contract sweep take",
    5: "columns engines.base records",
    6: "engines measure store",
    7: "doctor executors progress server",
    8: "loop ratings tables",
    9: "study",
    10: "archive diversities jobs studyfile",
    11: "adaptive plots",
    12: "benchmark seam_plot",
    13: "report",
    14: "evidence widgets",
    15: "desk",
    16: "cli",
    17: "__init__",
}
LAYER_OF = {room: layer for layer, rooms in LAYERS.items() for room in rooms.split()}

FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 80


# --- pins ---------------------------------------------------------------------------------------


def pins(name: str) -> dict[str, set[Version]]:
    """Package -> pinned versions (two where markers split them), for a file in requirements/."""
    found: dict[str, set[Version]] = {}
    for entry in entries(name):
        requirement = Requirement(entry.split(" --hash")[0])
        (specifier,) = requirement.specifier
        assert specifier.operator == "=="
        package = canonicalize_name(requirement.name)
        found.setdefault(package, set()).add(Version(specifier.version))
    return found


def entries(name: str) -> list[str]:
    """The entries of a requirements file, each with its hashes on one line."""
    text = (ROOT / "requirements" / name).read_text().replace("\\\n", "")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def extra(name: str) -> list[Requirement]:
    """What an extra asks for, with the extras it names opened."""
    asked: list[Requirement] = []
    for text in PROJECT["optional-dependencies"][name]:
        requirement = Requirement(text)
        if requirement.name == PROJECT["name"]:
            asked += [item for other in requirement.extras for item in extra(other)]
        else:
            asked.append(requirement)
    return asked


def unmet(asked: list[Requirement], pinned: dict[str, set[Version]]) -> list[str]:
    """The requirements that no pin, or a wrong pin, answers."""
    return [
        str(requirement)
        for requirement in asked
        if not (versions := pinned.get(canonicalize_name(requirement.name)))
        or not all(requirement.specifier.contains(version) for version in versions)
    ]


def test_demo_pins_are_among_all_pins() -> None:
    everything = pins("all.txt")
    assert {name: everything.get(name) for name in pins("demo.txt")} == pins("demo.txt")


def test_demo_pins_meet_the_base_dependencies() -> None:
    assert unmet([Requirement(text) for text in PROJECT["dependencies"]], pins("demo.txt")) == []


@pytest.mark.parametrize("name", PROJECT["optional-dependencies"])
def test_all_pins_meet_each_extra(name: str) -> None:
    assert unmet(extra(name), pins("all.txt")) == []


def test_bootstrap_pins_meet_the_build_system() -> None:
    builder = [Requirement(text) for text in PYPROJECT["build-system"]["requires"]]
    group = [Requirement(text) for text in PYPROJECT["dependency-groups"]["bootstrap"]]
    assert unmet(builder + group, pins("bootstrap.txt")) == []


def test_a_wrong_or_missing_pin_is_seen() -> None:
    asked = [Requirement("numpy>=2"), Requirement("rich")]
    assert unmet(asked, {"numpy": {Version("1.9")}}) == ["numpy>=2", "rich"]


@pytest.mark.parametrize("name", PIN_FILES)
def test_every_pin_has_hashes(name: str) -> None:
    assert entries(name)
    assert [entry for entry in entries(name) if "--hash=sha256:" not in entry] == []


def test_the_demo_needs_no_torch() -> None:
    heavy = {"torch", "torchaudio", "diffusers", "transformers", "triton", "jupyterlab"}
    assert heavy & pins("demo.txt").keys() == set()


@pytest.mark.parametrize("name", PIN_FILES)
def test_pins_name_no_address(name: str) -> None:
    assert re.findall(r"://|--\w*index|--find-links| @ ", "\n".join(entries(name))) == []


# --- what reads the pins ------------------------------------------------------------------------


def test_the_oldest_python_is_the_same_everywhere() -> None:
    oldest = PROJECT["requires-python"].removeprefix(">=")
    major, minor = oldest.split(".")
    tool = PYPROJECT["tool"]
    makefile = (ROOT / "Makefile").read_text()
    assert tool["mypy"]["python_version"] == oldest
    assert tool["ruff"]["target-version"] == f"py{major}{minor}"
    assert f"sys.version_info < ({major}, {minor})" in makefile
    assert f"--python-version {oldest} " in makefile


def test_the_conda_environment_agrees_with_the_project() -> None:
    import yaml

    environment: dict[str, Any] = yaml.safe_load((ROOT / "environment.yml").read_text())
    conda = [item for item in environment["dependencies"] if isinstance(item, str)]
    (pip,) = [item["pip"] for item in environment["dependencies"] if isinstance(item, dict)]
    assert environment["name"] == PROJECT["name"]
    python = Requirement(next(item for item in conda if item.startswith("python")))
    assert python.specifier == SpecifierSet(PROJECT["requires-python"])
    # Nothing but this package comes through pip, so there is no second list that could disagree.
    (package,) = pip
    named = set(re.fullmatch(r"--editable \.\[(.+)\]", package)[1].split(","))  # type: ignore[index]
    assert named == PROJECT["optional-dependencies"].keys() - {"dev"}
    declared = {Requirement(text).name for text in PROJECT["dependencies"]}
    assert declared.isdisjoint(Requirement(item).name for item in conda)


def test_pip_settings_reach_the_installer(tmp_path: Path) -> None:
    script = runpy.run_path(str(ROOT / "requirements" / "install.py"))
    listing = (
        ":env:.index-url='file:///from/environment'\n"
        "global.cert='/etc/a.pem'\n"
        f"global.find-links='{tmp_path} /no/such/folder'\n"
        "global.index-url='file:///from/file'\n"
        # It may hold only a plain wheel, where the main index has one with its native library.
        "global.extra-index-url='file:///besides'\n"
    )
    settings = script["pip_settings"](listing)
    assert settings["cert"] == ["/etc/a.pem"]
    assert script["uv_options"](settings) == [
        *("--default-index", "file:///from/environment"),
        *("--find-links", str(tmp_path)),
    ]
    assert script["uv_options"](script["pip_settings"]("")) == []


# --- what is committed --------------------------------------------------------------------------

# Bracketed letters keep these patterns from finding themselves.
FORBIDDEN = {
    "a path of one machine": r"(?<![\w.}>-])/(?:work|root|home|Users)/\w",
    "an address of a package registry": r"pyp[i]\.org|pythonhoste[d]\.|npmj[s]\.|anacond[a]\.",
}


def committed(pattern: str = "*") -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z", pattern], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    return [path for name in listing.split("\0") if name and (path := ROOT / name).is_file()]


def forbidden(text: str) -> list[str]:
    return [what for what, pattern in FORBIDDEN.items() if re.search(pattern, text)]


def test_committed_text_names_no_machine_and_no_registry() -> None:
    found = {}
    for path in committed():
        data = path.read_bytes()
        if b"\0" not in data and (what := forbidden(data.decode(errors="replace"))):
            found[str(path.relative_to(ROOT))] = what
    assert found == {}


def test_a_machine_path_and_a_registry_are_seen() -> None:
    assert forbidden("cd /" + "home/ada") == ["a path of one machine"]
    assert forbidden("from pyp" + "i.org") == ["an address of a package registry"]
    assert forbidden("GET /v1/home/page and a homework/x") == []


def test_no_lock_file_of_uv_is_committed() -> None:
    assert committed("*uv.lock") == []


def outputs_kept(notebook: dict[str, Any]) -> list[int]:
    """Indices of the code cells that still hold an output or an execution count."""
    return [
        index
        for index, cell in enumerate(notebook["cells"])
        if cell.get("outputs") or cell.get("execution_count")
    ]


def test_committed_notebooks_hold_no_outputs() -> None:
    kept = {path.name: outputs_kept(json.loads(path.read_text())) for path in committed("*.ipynb")}
    assert {name: cells for name, cells in kept.items() if cells} == {}


def test_a_kept_output_is_seen() -> None:
    ran = {"outputs": [{"output_type": "stream"}], "execution_count": 1}
    assert outputs_kept({"cells": [{}, {"outputs": [], "execution_count": None}, ran]}) == [2]


# --- imports ------------------------------------------------------------------------------------


def test_importing_workbench_loads_nothing_heavy() -> None:
    heavy = {"torch", "librosa", "matplotlib", "pandas", "scipy", "nbformat"}
    code = "import json, sys, workbench; print(json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert heavy & set(json.loads(run.stdout)) == set()


def foreign(path: Path) -> set[str]:
    """Top names of the packages a module's text imports that are neither Python's nor ours."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"workbench"}


def undeclared(names: set[str], asked: list[Requirement]) -> set[str]:
    """Imported names that no declared requirement brings by itself."""
    declared = {canonicalize_name(requirement.name) for requirement in asked}
    return {
        name
        for name in names
        if declared.isdisjoint(canonicalize_name(owner) for owner in brought_by().get(name, []))
    }


@cache
def brought_by() -> Mapping[str, list[str]]:
    """Which distributions bring each top name; the whole environment is read for it."""
    return packages_distributions()


def test_what_workbench_imports_is_declared() -> None:
    asked = [Requirement(text) for text in PROJECT["dependencies"]]
    asked += [
        item
        for name in ("notebook", "server", "local", "adaptive", "cluster")
        for item in extra(name)
    ]
    found = {
        str(path.relative_to(ROOT)): undeclared(foreign(path), asked)
        for path in (ROOT / "workbench").rglob("*.py")
    }
    assert {path: names for path, names in found.items() if names} == {}


def test_an_undeclared_import_is_seen() -> None:
    asked = [Requirement("numpy>=2"), Requirement("PyYAML>=6")]
    assert undeclared({"numpy", "yaml", "scipy"}, asked) == {"scipy"}


def room_of(module: str) -> str:
    """The room a module below `workbench` lies in: its longest prefix in the table."""
    parts = module.split(".")
    prefixes = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((prefix for prefix in prefixes if prefix in LAYER_OF), parts[0])


def modules(package: Path) -> Iterator[tuple[str, Path]]:
    """Each module of the package, by its dotted name below the package, with its file."""
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        name = ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)
        yield name, path


def imported(path: Path, package: Path) -> Iterator[str]:
    """Dotted names below the package that a module's text imports, at any depth of the text."""
    here = (package.name, *path.relative_to(package).parent.parts)
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = list(here[: len(here) + 1 - node.level]) if node.level else []
            base += [node.module] if node.module else []
            names = [".".join([*base, alias.name]) for alias in node.names]
        else:
            continue
        for name in names:
            top, _, rest = name.partition(".")
            if top == package.name:
                yield rest or "__init__"


def broken_layers(package: Path) -> list[str]:
    """Sentences on the modules without a room and the imports that do not point down."""
    known = dict(modules(package))
    faults = []
    for module, path in known.items():
        room = room_of(module)
        if room not in LAYER_OF:
            faults.append(f"{module} is in no layer")
            continue
        for name in imported(path, package):
            # A public name taken from the front page is an import of the front page.
            target = room_of(name)
            target = target if target in LAYER_OF or target in known else "__init__"
            if target != room and LAYER_OF.get(target, -1) >= LAYER_OF[room]:
                faults.append(f"{module} imports {name}")
    return faults


def test_every_import_points_down() -> None:
    assert broken_layers(ROOT / "workbench") == []


def test_an_import_that_points_up_is_seen(tmp_path: Path) -> None:
    package = tmp_path / "workbench"
    (package / "engines").mkdir(parents=True)
    texts = {
        "__init__.py": "from workbench.cli import main",
        "clip.py": "from workbench import errors",
        "cost.py": "def late():\n    from workbench.clip import Clip",
        "study.py": "from workbench import Request, store\nfrom .report import write",
        "cellar.py": "",
        "engines/base.py": "from workbench.clip import Clip",
        "engines/sketch.py": "from . import base\nfrom .base import Engine\nfrom .. import store",
    }
    for name, text in texts.items():
        (package / name).write_text(text)
    assert broken_layers(package) == [
        "cellar is in no layer",
        "cost imports clip.Clip",
        "engines.sketch imports store",
        "study imports Request",
        "study imports report.write",
    ]


# --- sizes --------------------------------------------------------------------------------------


def body_line(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The line a function's code starts on: docstrings are meant to be long."""
    documented = ast.get_docstring(node) is not None and len(node.body) > 1
    return node.body[documented].lineno


def too_long(text: str) -> list[str]:
    """What in a module's text is longer than the house allows."""
    found = [
        node.name
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - body_line(node) >= FUNCTION_LINES_MAX
    ]
    return found + ["the file"] * (len(text.splitlines()) >= FILE_LINES_MAX)


def test_files_and_functions_are_short() -> None:
    found = {
        str(path.relative_to(ROOT)): too_long(path.read_text())
        for folder in ("workbench", "tests", "requirements")
        for path in (ROOT / folder).rglob("*.py")
    }
    assert {path: names for path, names in found.items() if names} == {}


def test_a_long_function_and_a_long_file_are_seen() -> None:
    line = "    x = 1\n"
    assert too_long("def f():\n" + line * FUNCTION_LINES_MAX) == []
    assert too_long("def f():\n    'Say.'\n" + line * FUNCTION_LINES_MAX) == []
    assert too_long("def f():\n" + line * (FUNCTION_LINES_MAX + 1)) == ["f"]
    assert too_long("\n" * FILE_LINES_MAX) == ["the file"]
