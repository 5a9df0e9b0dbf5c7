"""The sweep file's record: one solver under many settings, by methods, layers, seeds and grids."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from sparsenet.amounts import Amount
from sparsenet.config.read import parse_yaml, read_yaml
from sparsenet.errors import ConfigError
from sparsenet.record import KeyProblem, OneOrMany, Record, check_record
from sparsenet.record_words import shown

AUTO = "auto"


def _distinct(values: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(values)) < len(values):
        raise ValueError(f"{shown(list(values))}: a number stands there twice")
    return values


Seeds = Annotated[OneOrMany[Annotated[int, Field(ge=0)]], AfterValidator(_distinct)]


class Method(Record):
    """One way to train or prune: settings over the sweep's, of which a list makes an axis."""

    set: dict[str, Any] = Field(
        {},
        description="values by key path, as for `--set`; a list is several values, one trial each, "
        "and a value that is a list itself stands in another list",
    )
    regularization: dict[str, Any] | None = Field(
        None,
        description="a regularization for each layer of the sweep's `layers`, whose keys may be "
        "lists too. A strength `auto` is found by training: from where hardly a weight is zero to "
        "where hardly one is not",
    )
    points: int = Field(5, ge=2, description="how many values an `auto` strength takes")
    threshold: float | None = Field(
        None,
        ge=0,
        description="weights below it are set to zero before the trained net is counted and "
        "measured: for l1, whose zeros are only nearly so",
    )
    prune: OneOrMany[Amount] | None = Field(
        None,
        description="no training: all but so many of the weights of each layer of `layers` are set "
        "to zero in the net that is trained without this method",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Method:
        if self.prune is not None and self.regularization is not None:
            raise KeyProblem("prune", "is without training, and excludes regularization")
        automatic = [key for key, value in (self.regularization or {}).items() if value == AUTO]
        if len(automatic) > 1:
            raise KeyProblem("regularization", f"only one of {', '.join(automatic)} can be auto")
        if "points" in self.model_fields_set and not automatic:
            raise KeyProblem("points", "is for a strength that is auto")
        return self

    @property
    def automatic(self) -> str | None:
        """The key of `regularization` whose values are found."""
        found = [key for key, value in (self.regularization or {}).items() if value == AUTO]
        return found[0] if found else None

    @property
    def on_layers(self) -> bool:
        """Whether it acts on the layers of the sweep's `layers`, once for each of these sets."""
        return self.regularization is not None or self.prune is not None


class SweepConfig(Record):
    """A sweep: every method with every combination of its values, for every seed."""

    solver: str = Field(description="the solver file, relative to this file")
    figure: Literal["convergence", "sweep", "datasize"] | None = Field(
        None, description="the figure that `sparsenet plot` is to make of it"
    )
    seeds: Seeds = Field((1,), description="values of random_seed, a trial for each")
    set: dict[str, Any] = Field({}, description="as a method's, for all methods")
    layers: dict[str, OneOrMany[str]] = Field(
        {},
        description="sets of layers by a name of one's own: what acts on layers acts on each set "
        "in turn; left out: one set, `all`, of all layers with weights",
    )
    methods: dict[str, Method] = Field(
        {}, description="by name; left out: one, the solver as it is, named after its net"
    )
    training_accuracy: bool = Field(
        False, description="measure the accuracy on the samples trained on too"
    )


def load_sweep(path: Path) -> SweepConfig:
    """Read and check a sweep file. Raises ConfigError with every problem."""
    document = read_yaml(path)
    sweep, problems = check_record(SweepConfig, document.data)
    for key, message in problems:
        document.report(key, message)
    document.raise_problems()
    assert sweep is not None, "what is wrong with it has been raised"
    return sweep


def grid_axis(argument: str) -> tuple[str, list[Any]]:
    """The key path and the values of `KEY.PATH=V,V,...`. Raises ConfigError."""
    key, equals, text = argument.partition("=")
    value = parse_yaml(f"[{text}]", f"--grid {argument}", lines=False)
    if not equals or not all(key.split(".")):
        value.report((), "must be KEY.PATH=VALUE,VALUE,...")
    value.raise_problems()
    if not value.data:
        raise ConfigError(f"--grid {argument}: has no value")
    return key, value.data


def is_sweep(path: Path) -> bool:
    """Whether a file has keys of a sweep, which no solver file has, though it may be wrong."""
    return not {"solver", "methods", "seeds"}.isdisjoint(read_yaml(path).data)
