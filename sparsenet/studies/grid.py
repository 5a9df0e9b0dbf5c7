"""A sweep's trials: the combinations of its values, as settings over its solver."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import prod
from typing import Any

from sparsenet.config.read import parse_yaml
from sparsenet.config.sweep import AUTO, Method, SweepConfig
from sparsenet.errors import ConfigError, suggested

MOST_TRIALS = 10_000


@dataclass(frozen=True)
class Setting:
    """One combination: what a trial is in the table, and what it sets.

    `columns` are the values by axis for the table; `overrides` are `--set` arguments; `automatic`
    is the key path of each layer whose strength is still to be found.
    """

    method: str
    rule: Method
    layers: str
    columns: Mapping[str, Any]
    overrides: tuple[str, ...]
    acts_on: tuple[str, ...] = ()
    prune: Any = None
    automatic: tuple[str, ...] = field(default=())

    @property
    def strength(self) -> float:
        """The value of the strength that was to be found, once it has one."""
        assert self.rule.automatic is not None, "asked only of what is automatic"
        return float(self.columns[self.rule.automatic])

    def at(self, strength: float) -> Setting:
        """The same with a value for the strength that was to be found."""
        assert self.rule.automatic is not None, "asked only of what is automatic"
        more = tuple(f"{path}={_yaml(strength)}" for path in self.automatic)
        return Setting(
            self.method,
            self.rule,
            self.layers,
            {**self.columns, self.rule.automatic: strength},
            self.overrides + more,
            self.acts_on,
        )


def settings_of(sweep: SweepConfig, net: str, weighted: Sequence[str]) -> list[Setting]:
    """Every combination, in the order of the file; `net` names the only method where none is.

    Raises ConfigError for sets of layers that the net, whose layers with weights are `weighted`,
    does not have, for a key without a value, and for more than 10,000 trials.
    """
    sets = dict(sweep.layers) or {"all": tuple(weighted)}
    for name, members in sets.items():
        for layer in members:
            if layer not in weighted:
                words = f"the net has no layer {layer!r} with weights{suggested(layer, weighted)}"
                raise ConfigError(f"layers.{name}: {words}")
    methods = dict(sweep.methods) or {net: Method()}
    found: list[Setting] = []
    trials = 0
    for name, rule in methods.items():
        for layers, members in sets.items() if rule.on_layers else [("", ())]:
            trials += _trials(sweep, rule)
            if trials > MOST_TRIALS:
                raise ConfigError(f"methods.{name}: more than {MOST_TRIALS:,} trials")
            found += _of_method(sweep, name, rule, layers, tuple(members))
    return found


def _trials(sweep: SweepConfig, rule: Method) -> int:
    """How many trials a method is on one set of layers, without those that find a range."""
    combinations = prod(len(values) for values in _axes(sweep, rule).values())
    return combinations * (rule.points if rule.automatic else 1) * len(sweep.seeds)


def _axes(sweep: SweepConfig, rule: Method) -> dict[str, list[Any]]:
    """The values of each key that a method sets, the one that is to be found left out."""
    axes = {key: _values(value) for key, value in (sweep.set | rule.set).items()}
    axes |= {key: _values(value) for key, value in _by_layer(rule).items()}
    for key, values in axes.items():
        if not values:
            raise ConfigError(f"{key}: has no value")
    if "random_seed" in axes:
        raise ConfigError("random_seed: is what seeds are for, or --seeds")
    return axes if rule.prune is None else axes | {"prune": list(rule.prune)}


def _by_layer(rule: Method) -> dict[str, Any]:
    return {key: value for key, value in (rule.regularization or {}).items() if value != AUTO}


def _of_method(
    sweep: SweepConfig, name: str, rule: Method, layers: str, members: tuple[str, ...]
) -> Iterator[Setting]:
    axes, by_layer = _axes(sweep, rule), _by_layer(rule)
    several = [key for key, values in axes.items() if len(values) > 1]
    shown = [*several, *(["prune"] if rule.prune is not None and "prune" not in several else [])]
    automatic = rule.automatic
    for values in product(*axes.values()):
        chosen = dict(zip(axes, values, strict=True))
        pruned = chosen.pop("prune", None)
        columns = {key: pruned if key == "prune" else chosen[key] for key in shown}
        overrides = [f"{key}={_yaml(v)}" for key, v in chosen.items() if key not in by_layer]
        for layer in members if rule.regularization is not None else ():
            overrides += [f"regularization.{layer}.{key}={_yaml(chosen[key])}" for key in by_layer]
        paths = [f"regularization.{layer}.{automatic}" for layer in members] if automatic else []
        yield Setting(name, rule, layers, columns, tuple(overrides), members, pruned, tuple(paths))


def _values(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _yaml(value: Any) -> str:
    """A value as the YAML of a `--set` argument: JSON, which YAML contains, but for plain texts."""
    plain = isinstance(value, str) and re.fullmatch(r"[\w.%/-]+", value)
    if plain and parse_yaml(value, "").data == value:
        return str(value)
    return json.dumps(value, ensure_ascii=False)
