"""Which layers of a net file are in a net: Caffe's NetStateRule, as Net::FilterNet applies it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sparsenet.caffe.fields import Fields


@dataclass(frozen=True)
class State:
    """The state of one net: its phase, and the level and stages that rules may ask for."""

    phase: str
    level: int = 0
    stages: frozenset[str] = frozenset()

    def merged(self, fields: Fields) -> State:
        """With what a NetState sets over it, stages added: the phase is the net's own."""
        fields.pass_over("phase")
        level = fields.take("level")
        stages = self.stages | set(fields.value("stage"))
        return State(self.phase, self.level if level is None else level, stages)


@dataclass(frozen=True)
class Rule:
    """One NetStateRule; what is None or empty asks for nothing."""

    phase: str | None = None
    min_level: int | None = None
    max_level: int | None = None
    stage: tuple[str, ...] = ()
    not_stage: tuple[str, ...] = ()

    @staticmethod
    def of(fields: Fields) -> Rule:
        """The rule of an include or exclude."""
        return Rule(
            fields.take("phase"),
            fields.take("min_level"),
            fields.take("max_level"),
            tuple(fields.value("stage")),
            tuple(fields.value("not_stage")),
        )

    def is_met(self, state: State) -> bool:
        """Whether a net's state has all that the rule asks for."""
        return (
            self.phase in (None, state.phase)
            and (self.min_level is None or state.level >= self.min_level)
            and (self.max_level is None or state.level <= self.max_level)
            and state.stages.issuperset(self.stage)
            and state.stages.isdisjoint(self.not_stage)
        )


def is_in(include: Iterable[Rule], exclude: Iterable[Rule], state: State) -> bool:
    """Whether a layer with these rules is in a net: all are, or those that a rule includes."""
    include, exclude = list(include), list(exclude)
    if include:
        return any(rule.is_met(state) for rule in include)
    return not any(rule.is_met(state) for rule in exclude)


def rules_of(layer: Fields) -> tuple[list[Rule], list[Rule]]:
    """Its include and exclude, of which it may have but one kind."""
    include = [Rule.of(rule) for rule in layer.each("include")]
    exclude = [Rule.of(rule) for rule in layer.each("exclude")]
    if include and exclude:
        layer.refuse("exclude", "cannot stand beside include; Caffe takes one of them")
    return include, exclude
