"""caffe.proto and what was made of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import sparsenet.caffe
from sparsenet.caffe import caffe_pb2

PROTO = Path(sparsenet.caffe.__file__ or "").parent / "caffe.proto"
_SCALARS = {
    1: "double",
    2: "float",
    3: "int64",
    5: "int32",
    8: "bool",
    9: "string",
    12: "bytes",
    13: "uint32",
}
Declared = dict[str, dict[str, tuple[Any, ...]]]


def test_the_generated_module_has_the_fields_of_the_definition() -> None:
    written = _written(PROTO.read_text(encoding="utf-8"))
    assert len(written) > 40
    assert written == _generated()


def _written(text: str) -> Declared:
    """By message or enum its fields: (number, label, type, default) of each as the text has it."""
    found: Declared = {}
    inside: list[str] = []
    for line in re.sub(r"//.*", "", text).splitlines():
        if opened := re.fullmatch(r"\s*(message|enum) (\w+) \{", line):
            inside.append(opened[2])
            found[".".join(inside)] = {}
        elif line.strip() == "}":
            inside.pop()
        elif value := re.fullmatch(r"\s*(\w+) = (\d+);", line):
            found[".".join(inside)][value[1]] = (int(value[2]),)
        elif field := re.fullmatch(
            r"\s*(optional|repeated) (\w+) (\w+) = (\d+)(?: \[(.*)\])?;", line
        ):
            label, kind, name, number, options = field.groups()
            default = re.search(r"default = (.*)", options or "")
            shown = default[1].strip('"') if default else None
            found[".".join(inside)][name] = (int(number), label, kind, shown)
    return found


def _generated() -> Declared:
    found: Declared = {}
    file = caffe_pb2.DESCRIPTOR
    waiting = [*file.message_types_by_name.values(), *file.enum_types_by_name.values()]
    while waiting:
        kind: Any = waiting.pop()
        name = kind.full_name.removeprefix("sparsenet.caffe.")
        if hasattr(kind, "values"):
            found[name] = {value.name: (value.number,) for value in kind.values}
            continue
        waiting += [*kind.nested_types, *kind.enum_types]
        found[name] = {field.name: _field(field) for field in kind.fields}
    return found


def _field(field: Any) -> tuple[Any, ...]:
    kind = field.message_type or field.enum_type
    word = _SCALARS[field.type] if kind is None else kind.name
    return field.number, "repeated" if field.is_repeated else "optional", word, _default(field)


def _default(field: Any) -> str | None:
    if field.is_repeated or not field.has_default_value:
        return None
    value = field.default_value
    if field.enum_type is not None:
        return str(field.enum_type.values_by_number[value].name)
    if isinstance(value, bool):
        return str(value).lower()
    short = f"{value:g}".replace("e-0", "e-") if isinstance(value, float) else str(value)
    return short + ".0" * (field.name in ("lr_mult", "decay_mult"))
