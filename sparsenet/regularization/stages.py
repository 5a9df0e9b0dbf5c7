"""The records of staged tightening: what each stage asks of which l0 constraint, and until when."""

from __future__ import annotations

import math
from fractions import Fraction as Rational
from typing import Annotated, Literal

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    model_validator,
)

from sparsenet.amounts import PERCENTAGE, Amount, percentage, resolve_amount
from sparsenet.record import KeyProblem, Record
from sparsenet.record_words import shown


def _fraction(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        number: float | Rational | None = value
    else:
        number = percentage(value)
    if number is None or not 0 <= number <= 1:
        raise ValueError(f"{shown(value)} is not a percentage such as 0.5% or a fraction 0 to 1")
    return float(number)


def _dense_or_fraction(value: object) -> object:
    try:
        return value if value == "dense" else _fraction(value)
    except ValueError as error:
        raise ValueError(f"{error}, or dense") from None


_FRACTION_SCHEMA = [
    {"type": "number", "minimum": 0, "maximum": 1},
    {"type": "string", "pattern": f"^{PERCENTAGE}$"},
]
Fraction = Annotated[float, BeforeValidator(_fraction), WithJsonSchema({"anyOf": _FRACTION_SCHEMA})]
"""A number from 0 to 1, also as a percentage in a text, "0.5%"."""
DenseOrFraction = Annotated[
    float | Literal["dense"],
    BeforeValidator(_dense_or_fraction),
    WithJsonSchema({"anyOf": [{"const": "dense"}, *_FRACTION_SCHEMA]}),
]


class Ramp(Record):
    """A constraint that tightens from update to update inside its stage."""

    from_: Amount = Field(alias="from", description="t at the stage's first update")
    to: Amount = Field(description="t after `over` updates, and from then on")
    over: int = Field(gt=0, description="updates the ramp takes")
    shape: Literal["linear", "cubic", "geometric"] = Field(
        "cubic",
        description="with x the time in the ramp from 0 to 1: linear to+(from-to)(1-x); cubic "
        "to+(from-to)(1-x)^3; geometric from*(to/from)^x",
    )

    def at(self, elapsed: int, size: int) -> int:
        """t after `elapsed` updates of the stage, rounded up, for a ball over `size` weights."""
        first, last = resolve_amount(self.from_, size), resolve_amount(self.to, size)
        x = min(1.0, elapsed / self.over)
        if self.shape == "geometric":
            value = first * (last / first) ** x
        else:
            value = last + (first - last) * (1 - x) ** (3 if self.shape == "cubic" else 1)
        # Float error must not lift the end of the ramp above `to`.
        return last if x == 1.0 else math.ceil(value - 1e-9 * size)


def _kind_of_target(value: object) -> str:
    return "ramp" if isinstance(value, dict | Ramp) else "count"


Target = Annotated[
    Annotated[Amount, Tag("count")] | Annotated[Ramp, Tag("ramp")], Discriminator(_kind_of_target)
]


class AccuracyGoal(Record):
    """Convergence: validation accuracy at least `of` minus `within`."""

    within: Fraction = Field(description="points below the reference, as 0.5% or 0.005")
    of: DenseOrFraction = Field(
        "dense",
        description="dense: the accuracy of the given --weights, or of the net when its first "
        "stage began; or an accuracy",
    )


class Until(Record):
    """When a stage ends: after `iters` updates, or when `accuracy` has been reached."""

    iters: int | None = Field(None, gt=0, description="updates the stage takes")
    accuracy: AccuracyGoal | None = Field(None, description="judged on the validation data")
    patience: int | None = Field(
        None, gt=0, description="tests in a row that must reach the accuracy; default 1"
    )
    max_iters: int | None = Field(
        None, gt=0, description="updates after which the stage has missed its accuracy"
    )

    @model_validator(mode="after")
    def _one_way(self) -> Until:
        if (self.iters is None) == (self.accuracy is None):
            raise ValueError("needs either iters or accuracy")
        for key in ("patience", "max_iters"):
            if self.iters is not None and getattr(self, key) is not None:
                raise KeyProblem(key, "goes with accuracy, not with iters")
        return self


class Stage(Record):
    """One step of the tightening; what it does not name stays as the stage before left it."""

    name: str | None = Field(None, min_length=1, description="shown in the log; default its number")
    t: dict[str, Target] = Field(
        default_factory=dict,
        description="for layers with l0, or l0 groups, by name: a count, a percentage, or a ramp "
        "{from, to, over, shape}; left out: this stage adds no constraint",
    )
    interval: int | None = Field(
        None,
        gt=0,
        description="updates between two projections in this stage; left out: each layer's own",
    )
    until: Until | None = Field(
        None, description="when the next stage begins, or training ends; left out: max_iter"
    )
    on_miss: Literal["stop", "continue"] = Field(
        "stop",
        description="when max_iters pass without the accuracy: stop with exit code 3, or go on",
    )

    @model_validator(mode="after")
    def _misses_only_what_it_waits_for(self) -> Stage:
        waits = self.until is not None and self.until.accuracy is not None
        if "on_miss" in self.model_fields_set and not waits:
            raise KeyProblem("on_miss", "has no effect without until: {accuracy: ...}")
        return self
