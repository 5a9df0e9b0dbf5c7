"""Who may import whom. An import that is not in the table is shown with its line."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "sparsenet"

# A module belongs to the longest name that begins its own; the lines go from low to high, and a
# line may name only what stands above it, "*" being all of that. "__init__" is the package itself.
MAY_IMPORT = {
    "errors": "",
    "record_words": "errors",
    "record": "errors record_words",
    "files": "errors",
    "amounts": "record_words",
    "tables": "",
    "layout": "",
    "ranks": "errors",
    "caffe": "errors record_words files",
    "regularization": "errors record record_words amounts",
    "storage": "errors tables",
    "data": "errors record record_words files amounts layout caffe",
    "layers": "errors record record_words layout ranks regularization data",
    "solver.lr_policies": "",
    "solver.update": "",
    "config": "errors record record_words amounts regularization data layers "
    "solver.lr_policies solver.update",
    "shrinking": "layers config",
    "net": "errors layout config layers",
    "program": "errors files storage data layers config net",
    "archive": "errors",
    "checkpoint": "errors files archive",
    "foreign": "errors archive caffe",
    "packed": "errors files storage checkpoint config",
    "execution": "errors files layout storage data layers config program packed",
    "run_folder": "errors files",
    "study_folder": "errors files run_folder",
    "exports": "errors caffe data layers config net checkpoint",
    "metrics": "errors files",
    "progress": "",
    "solver": "errors ranks regularization data layers solver.lr_policies solver.update config net",
    "results": "errors files",
    "plots": "errors files results",
    "report": "errors results",
    "workflows": "*",
    "trials": "*",
    "studies": "*",
    "__init__": "execution",
    "cli": "errors ranks storage layers config execution study_folder progress workflows trials "
    "studies __init__",
    "__main__": "cli",
}

# Libraries that have one home, so that they can be replaced, or not be imported, in one place.
HOMES = {
    "PIL": "data",
    "click": "cli",
    "google": "caffe",
    "matplotlib": "plots",
    "onnx": "exports",
    "onnxruntime": "exports",
    "safetensors": "foreign packed",
    "sklearn": "data storage",
    "torchvision": "data",
    "loky": "trials",
    "tqdm": "progress trials",
    "yaml": "config",
}


def allowed_to(unit: str) -> list[str]:
    """The units that the modules of a unit may import, beside their own."""
    if MAY_IMPORT[unit] == "*":
        return list(MAY_IMPORT)[: list(MAY_IMPORT).index(unit)]
    return MAY_IMPORT[unit].split()


def unit_of(module: str) -> str | None:
    """The line of the table that a module (`config.read`) belongs to."""
    found = [unit for unit in MAY_IMPORT if f"{module}.".startswith(f"{unit}.")]
    return max(found, key=len, default=None)


def imports(source: str, package: str) -> Iterator[tuple[int, str]]:
    """(line, module) of every import, lazy ones included; `package` is what relative ones are of.

    `from a import b` gives `a.b`: whether b is a module or a name in one, its unit is the same,
    unless a is the package itself.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            parts = [*above, node.module] if node.level else [node.module]
            base = ".".join(part for part in parts if part)
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def offences(module: str, source: str) -> list[str]:
    """The imports of one module (`config.read`) that the tables do not allow, each as a line."""
    unit = unit_of(module)
    if unit is None:
        return [f"sparsenet.{module} is in no line of MAY_IMPORT: give it one"]
    lines = source.splitlines()
    package = f"sparsenet.{module}".rpartition(".")[0]
    found = []
    for line, target in imports(source, package):
        top, _, rest = target.partition(".")
        if top != "sparsenet":
            allowed = unit in HOMES.get(top, unit).split()
            words = f"{top} belongs to {HOMES.get(top)}"
        else:
            to = unit_of(rest) or "__init__"
            allowed = to in {unit, *allowed_to(unit)}
            words = f"{unit} may import {' '.join(allowed_to(unit)) or 'nothing'}"
        if not allowed:
            found.append(f"sparsenet.{module}, line {line}: {lines[line - 1].strip()}  ({words})")
    return found


def _modules() -> dict[str, Path]:
    """Every module of the package by its name below it."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = list(path.relative_to(PACKAGE).with_suffix("").parts)
        if parts[-1] == "__init__" and len(parts) > 1:
            parts.pop()
        found[".".join(parts)] = path
    return found


MODULES = _modules()


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_down(module: str) -> None:
    found = offences(module, MODULES[module].read_text(encoding="utf-8"))
    assert not found, "\n" + "\n".join(found)


def test_the_table_goes_from_low_to_high_and_names_what_there_is() -> None:
    seen: list[str] = []
    for unit in MAY_IMPORT:
        assert set(allowed_to(unit)) <= set(seen), f"{unit} names what stands below it"
        seen.append(unit)
    assert {unit_of(module) for module in MODULES} == set(MAY_IMPORT)


@pytest.mark.parametrize("unit", [unit for unit in MAY_IMPORT if "__" not in unit])
def test_the_picture_shows_every_unit(unit: str) -> None:
    picture = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert f"`{unit}`" in picture


@pytest.mark.parametrize(
    ("module", "source", "line"),
    [
        ("record", "from sparsenet.net import Net", 1),
        ("record", "import os\nimport sparsenet.net as n", 2),
        ("record", "def f():\n    from sparsenet import net", 2),
        ("record", "if TYPE_CHECKING:\n    from .net import Net", 2),
        ("config.read", "from ..cli import main", 1),
        ("config.read", "from . import load\nfrom .. import workflows", 2),
        ("solver.update", "from sparsenet.solver.step import Stepper", 1),
        ("workflows.train", "import click", 1),
        ("solver.loop", "from sparsenet import __version__", 1),
    ],
)
def test_a_forbidden_import_is_shown_with_its_line(module: str, source: str, line: int) -> None:
    [offence] = offences(module, source)
    shown = source.splitlines()[line - 1].strip()
    assert offence.startswith(f"sparsenet.{module}, line {line}: {shown}  (")


def test_what_the_table_allows_is_no_offence() -> None:
    assert offences("record", "from sparsenet.errors import listed\nimport torch") == []
    assert offences("config.read", "import yaml\nfrom . import net\nfrom .load import check") == []
    assert offences("brand_new", "") == [
        "sparsenet.brand_new is in no line of MAY_IMPORT: give it one"
    ]
