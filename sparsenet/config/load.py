"""From a solver file, its net file and overrides to one checked, merged configuration."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sparsenet.config.blocks import expand_blocks, is_as_written
from sparsenet.config.constraints import layer_problems
from sparsenet.config.document import Document
from sparsenet.config.graph import graph_problems
from sparsenet.config.layer_overrides import merge_regularization
from sparsenet.config.net import NetConfig
from sparsenet.config.net_pattern import merge_kernel_pattern
from sparsenet.config.overrides import merge_overrides
from sparsenet.config.read import read_yaml
from sparsenet.config.solver import SolverConfig, usage_problems
from sparsenet.config.staging import stage_problems
from sparsenet.config.stored_shapes import merge_stored_shapes
from sparsenet.errors import Problem, nearest
from sparsenet.record import KeyPath, check_record
from sparsenet.record_words import shown


@dataclass(frozen=True)
class Configuration:
    """A checked configuration, the plain merged data that makes it again, and where it stood."""

    solver: SolverConfig
    data: dict[str, Any]
    document: Document = field(repr=False, compare=False)

    def problem(self, path: KeyPath, message: str) -> Problem:
        """What only the data or the machine can show to be wrong, with its place."""
        return Problem(str(self.document.place(path)), self.document.key_text(path), message)


def load_solver(path: Path, overrides: Iterable[str] = ()) -> Configuration:
    """Read a solver file and its net, merge `--set` overrides, and check all of it.

    Raises ConfigError with every problem of both files.
    """
    document = read_yaml(path)
    if "layers" in document.data and "net" not in document.data:
        document.spoil((), "is a net file; a solver file, with base_lr and net, is needed here")
    arguments = list(overrides)
    merge_overrides(document, [each for each in arguments if each.startswith("net=")])
    _read_net(document, path.parent)
    _merge_into_net(document, ("net",), [each for each in arguments if not each.startswith("net=")])
    return check(document)


def load_net(path: Path, overrides: Iterable[str] = ()) -> NetConfig:
    """Read and check a net file alone. Raises ConfigError with every problem."""
    document = read_yaml(path)
    _merge_into_net(document, (), list(overrides))
    merge_kernel_pattern(document, ())
    merge_stored_shapes(document, ())
    net, problems = check_record(NetConfig, document.data)
    if net is not None and not document.spoiled:
        problems = net_problems(net)
    _report(document, problems)
    document.raise_problems()
    assert net is not None, "what is wrong with it has been raised"
    return net


def _merge_into_net(document: Document, path: KeyPath, arguments: list[str]) -> None:
    """Merge overrides of the net at `path` as its files have it, then of it written out."""
    net, above = document.at(path), "".join(f"{part}." for part in path)
    before = [
        argument
        for argument in arguments
        if not argument.startswith(above)
        or is_as_written(net, argument.removeprefix(above).partition("=")[0].split("."))
    ]
    merge_overrides(document, before)
    expand_blocks(document, path)
    merge_overrides(document, [argument for argument in arguments if argument not in before])


def from_data(data: dict[str, Any], name: str, overrides: Iterable[str] = ()) -> Configuration:
    """Check the merged configuration that the checkpoint called `name` holds, under overrides."""
    document = Document(name, copy.deepcopy(data))
    merge_overrides(document, overrides)
    return check(document)


def check(document: Document) -> Configuration:
    """Check a document whose net is already in place. Raises ConfigError with every problem."""
    merge_kernel_pattern(document, ("net",))
    merge_stored_shapes(document, ("net",))
    merge_regularization(document)
    data = document.data
    solver, problems = check_record(SolverConfig, data)
    problems += usage_problems(data)
    _report(document, problems)
    net = solver.net if solver else check_record(NetConfig, data.get("net"))[0]
    if net is not None and not _hides_relations(document):
        wrong = net_problems(net)
        _report(document, wrong, ("net",))
        if not wrong and (known := solver or _without(data, problems)):
            _report(document, stage_problems(known))
    document.raise_problems()
    assert solver is not None, "what is wrong with it has been raised"
    return Configuration(solver, data, document)


def _hides_relations(document: Document) -> bool:
    """Whether a value that could not be read is one that layers or stages refer to one another by.

    What is read in its place, nothing, would make them wrong.
    """
    return any(path[:1] in ((), ("net",), ("stages",)) for path in document.spoiled)


def net_problems(net: NetConfig) -> list[tuple[KeyPath, str]]:
    """What is wrong between the layers of a net whose records are right."""
    return graph_problems(net) or layer_problems(net)


def _report(document: Document, problems: list[tuple[KeyPath, str]], below: KeyPath = ()) -> None:
    for key, message in problems:
        document.report(below + key, message)


# What stands for a key that is wrong while the stages are checked: nothing follows from it.
_STAND_INS = {"max_iter": 2**62, "base_lr": 1.0, "test_interval": 1}


def _without(data: dict[str, Any], problems: list[tuple[KeyPath, str]]) -> SolverConfig | None:
    """The solver but for its wrong keys, so that these do not hide what is wrong with its stages.

    None where the stages are wrong themselves.
    """
    wrong = {path[0] for path, _ in problems if path}
    if "stages" in wrong:
        return None
    kept = {key: value for key, value in data.items() if key not in wrong}
    stand_ins = {key: value for key, value in _STAND_INS.items() if key in wrong}
    return check_record(SolverConfig, kept | stand_ins)[0]


def _read_net(document: Document, folder: Path) -> None:
    """Put the net file that the solver names in its place, or note why it cannot be read."""
    given = document.data.get("net")
    if isinstance(given, dict) or "net" not in document.data:
        return
    if not isinstance(given, str):
        document.spoil(("net",), f"{shown(given)} is not the path of a net file")
        return
    path = folder / given
    try:
        exists = path.is_file()
        others = [] if exists else [other.name for other in path.parent.glob("*.yaml")]
    except OSError:  # a name too long, a folder that may not be read
        exists, others = False, []
    net = read_yaml(path) if exists else Document(str(path), {})
    if not exists:
        document.spoil(("net",), f"no file {path}{nearest(path.name, others)}")
    elif "net" in net.data and "layers" not in net.data:
        document.spoil(
            ("net",), f"{path} is a solver file; a net file, with layers, is needed here"
        )
    else:
        document.graft(("net",), net)


def differing_keys(one: object, other: object, path: str = "") -> list[str]:
    """Key paths at which two plain configurations differ; list items go by their name."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = dict.fromkeys([*one, *other])
        pairs = [(str(key), one.get(key), other.get(key)) for key in keys]
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = [(_item_name(a, i), a, b) for i, (a, b) in enumerate(zip(one, other, strict=True))]
    else:
        return [] if one == other else [path]
    prefix = f"{path}." if path else ""
    return [found for key, a, b in pairs for found in differing_keys(a, b, prefix + key)]


def _item_name(item: object, index: int) -> str:
    return str(item.get("name", index)) if isinstance(item, dict) else str(index)
