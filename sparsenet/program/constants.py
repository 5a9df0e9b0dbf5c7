"""Arrays as C text."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from sparsenet.program.calls import index_width, number
from sparsenet.storage.encoded import Encoded

_TYPES = {
    "float32": "float",
    "float16": "uint16_t",
    "bfloat16": "uint16_t",
    "int8": "int8_t",
}
_NUMPY = {"float": "<f4", "uint32_t": "<u4", "uint16_t": "<u2", "uint8_t": "u1", "int8_t": "i1"}
_COLUMNS = 96


def array(name: str, kind: str, values: NDArray[np.generic]) -> str:
    """`static const kind name[] = {values};`; one zero stands for none, which C has not."""
    texts = map(number if kind == "float" else str, values.tolist() or [0])
    return f"static const {kind} {name}[] = {{\n{_wrapped(texts)}\n}};\n"


def packed(name: str, encoded: Encoded) -> str:
    """A weight as its arrays and, under `name`, its `struct packed`."""
    index_kind = {1: "uint8_t", 2: "uint16_t", 4: "uint32_t"}[index_width(encoded)]
    codes_kind = _TYPES.get(encoded.values.name, "uint8_t")
    parts = {
        "index": (index_kind, encoded.index),
        "codes": (codes_kind, encoded.codes),
        "table": ("float", encoded.table.view(np.uint8)),
    }
    text, fields = "", []
    for part, (kind, data) in parts.items():
        if not len(data):
            fields.append("NULL")
            continue
        text += array(f"{name}_{part}", kind, np.frombuffer(data.tobytes(), _NUMPY[kind]))
        fields.append(f"{name}_{part}")
    fields += [str(len(encoded.index)), str(encoded.stored_count)]
    return f"{text}static const struct packed {name} = {{{', '.join(fields)}}};\n"


def _wrapped(texts: Iterable[str]) -> str:
    """Numbers in lines of about a hundred characters."""
    lines: list[str] = []
    line: list[str] = []
    length = 0
    for text in texts:
        if length + len(text) + 2 > _COLUMNS:
            lines.append("    " + ", ".join(line) + ",")
            line, length = [], 0
        line.append(text)
        length += len(text) + 2
    lines.append("    " + ", ".join(line) + ",")
    return "\n".join(lines)


def identifier(text: str, taken: Iterable[str] = ()) -> str:
    """A name for C made of any, in small letters, other than those that are taken."""
    base = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_") or "net"
    base = f"net_{base}" if base[0].isdigit() else base
    found, number, known = base, 1, set(taken)
    while found in known:
        number += 1
        found = f"{base}_{number}"
    return found
