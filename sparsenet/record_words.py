"""How a value and what is wrong with it are put into words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sparsenet.errors import listed, nearest

_BOUNDS = {
    "greater_than": ("gt", "greater than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}
_LENGTHS = {
    "too_short": ("min_length", "at least", "value"),
    "too_long": ("max_length", "at most", "value"),
    "string_too_short": ("min_length", "at least", "character"),
}
_WANTED = {
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "a text",
    "tuple_type": "a list",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "model_attributes_type": "a mapping of keys to values",
    "finite_number": "a finite number",
}


def shown(value: object) -> str:
    """A value as the messages quote it: as YAML writes it, texts in quotes, cut where long."""
    text = _flow(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _flow(value: object) -> str:
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, float):
        return re.sub(r"(inf|nan)", r".\1", repr(value))
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_flow, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_flow(item)}' for key, item in value.items())}}}"
    return repr(value)


def wrong_value(kind: str, value: object, context: Mapping[str, Any]) -> str | None:
    """What is wrong with a value, by pydantic's kind of error; None for a kind without words here.

    `context` holds what the value was held against: a bound, a length, the allowed values.
    """
    if kind in ("literal_error", "union_tag_invalid"):
        allowed = _quoted(str(context.get("expected") or context["expected_tags"]))
        return f"{shown(value)} is not {listed(allowed)}{nearest(value, allowed)}"
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        return f"{shown(value)} must be {words} {context[key]:g}"
    if kind in _LENGTHS:
        key, words, unit = _LENGTHS[kind]
        count = context[key]
        return f"{shown(value)} must have {words} {count} {unit}{'s' * (count != 1)}"
    if kind == "int_type" and isinstance(value, float) and value.is_integer():
        return f"{shown(value)} is not a whole number; write {shown(int(value))}"
    return f"{shown(value)} is not {_WANTED[kind]}" if kind in _WANTED else None


def _quoted(expected: str) -> list[str]:
    return [word.strip("' ") for word in expected.replace(" or ", ",").split(",") if word.strip()]
