"""From a solver file, its net file and overrides to one checked, merged configuration."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparsenet.config.constraints import constraint_problems
from sparsenet.config.graph import build_graph, has_phase
from sparsenet.config.net import NetConfig
from sparsenet.config.read import Document, merge_overrides, read_yaml
from sparsenet.config.solver import SolverConfig, usage_problems
from sparsenet.errors import ConfigError, Problem, nearest
from sparsenet.layers.base import PHASES
from sparsenet.record import KeyPath, check_record, shown


@dataclass(frozen=True)
class Configuration:
    """A checked configuration, and the plain merged data that makes it again."""

    solver: SolverConfig
    data: dict[str, Any]


def load_solver(path: Path, overrides: Iterable[str] = ()) -> Configuration:
    """Read a solver file and its net, merge `--set` overrides, and check all of it.

    Raises ConfigError with every problem of both files.
    """
    document = read_yaml(path)
    if "layers" in document.data and "net" not in document.data:
        message = "is a net file; a solver file, with base_lr and net, is needed here"
        raise ConfigError(Problem(str(path), "", message))
    by_net = [argument for argument in overrides if argument.startswith("net=")]
    merge_overrides(document, by_net)
    _read_net(document, path.parent)
    merge_overrides(document, [argument for argument in overrides if argument not in by_net])
    return check(document)


def load_net(path: Path, overrides: Iterable[str] = ()) -> NetConfig:
    """Read and check a net file alone. Raises ConfigError with every problem."""
    document = read_yaml(path)
    merge_overrides(document, overrides)
    net, problems = check_record(NetConfig, document.data)
    if net is not None:
        problems += _graph_problems(net, ())
    if net is None or problems:
        raise ConfigError([document.problem(key, message) for key, message in problems])
    return net


def from_data(data: dict[str, Any], name: str, overrides: Iterable[str] = ()) -> Configuration:
    """Check the merged configuration that the checkpoint called `name` holds, under overrides."""
    document = Document(name, copy.deepcopy(data))
    merge_overrides(document, overrides)
    return check(document)


def check(document: Document) -> Configuration:
    """Check a document whose net is already in place."""
    problems = _merge_regularization(document)
    merged = copy.deepcopy(document.data)
    solver, found = check_record(SolverConfig, document.data)
    problems += found + usage_problems(document.data)
    net = solver.net if solver else _net_alone(document)
    if net is not None:
        problems += _graph_problems(net, ("net",))
    if solver is not None and not problems:
        problems += constraint_problems(solver)
    if solver is None or problems:
        lines = dict.fromkeys(document.problem(key, message) for key, message in problems)
        raise ConfigError(list(lines))
    return Configuration(solver, merged)


def _read_net(document: Document, folder: Path) -> None:
    given = document.data.get("net")
    if isinstance(given, dict) or given is None:
        return
    if not isinstance(given, str):
        problem = document.problem(("net",), f"{shown(given)} is not the path of a net file")
        raise ConfigError(problem)
    path = folder / given
    if not path.is_file():
        others = [other.name for other in path.parent.glob("*.yaml")]
        words = f"no file {path}{nearest(path.name, others)}"
        raise ConfigError(document.problem(("net",), words))
    document.graft(("net",), read_yaml(path))


def _net_alone(document: Document) -> NetConfig | None:
    """The net by itself, so that a mistake in the solver file does not hide those in the net."""
    data = document.data.get("net")
    return check_record(NetConfig, data)[0] if isinstance(data, dict) else None


def _graph_problems(net: NetConfig, prefix: KeyPath) -> list[tuple[KeyPath, str]]:
    found: dict[tuple[KeyPath, str], None] = {}
    for phase in PHASES:
        if phase == "TRAIN" or has_phase(net, phase):
            _, problems = build_graph(net, phase)
            found.update(dict.fromkeys((prefix + key, message) for key, message in problems))
    return list(found)


def _merge_regularization(document: Document) -> list[tuple[KeyPath, str]]:
    """Move the solver file's `regularization` into the layers it names, keeping the places."""
    given = document.data.get("regularization")
    layers = (document.data.get("net") or {}).get("layers")
    if not isinstance(given, dict) or not isinstance(layers, list):
        return []
    names = {layer.get("name"): i for i, layer in enumerate(layers) if isinstance(layer, dict)}
    problems: list[tuple[KeyPath, str]] = []
    for name, keys in given.items():
        if name not in names:
            words = f"the net has no layer {name!r}{nearest(name, map(str, names))}"
            problems.append((("regularization", name), words))
        elif isinstance(keys, dict):
            _merge_one(document, names[name], name, keys)
    if not problems and all(isinstance(keys, dict) for keys in given.values()):
        del document.data["regularization"]
    return problems


def _merge_one(document: Document, index: int, name: str, keys: dict[str, Any]) -> None:
    layer = document.data["net"]["layers"][index]
    own = layer.get("regularization")
    own = own if isinstance(own, dict) else {}
    another_type = "type" in keys and keys["type"] != own.get("type")
    layer["regularization"] = dict(keys) if another_type else {**own, **keys}
    target: KeyPath = ("net", "layers", index, "regularization")
    for key in keys:
        document.places[(*target, key)] = document.place(("regularization", name, key))
    document.places.setdefault(target, document.place(("regularization", name)))


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
