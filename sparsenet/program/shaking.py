"""The kernels that a program calls, cut out of `kernels/*.c` with all that they need."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.resources import files

_FILES = (
    "base",
    "places",
    "values",
    "convolution",
    "product",
    "pooling",
    "pointwise",
    "arranging",
    "normalization",
    "prepare",
)
_NAME = re.compile(r"^(?:struct (\w+) \{|(?:KERNEL|SCALAR|static)[\w *]*?(\w+)\()", re.MULTILINE)


def kernels(called: Iterable[str]) -> str:
    """The text of the functions called, those that they call, and all preprocessor lines.

    A function or struct is what stands between two empty lines and begins in the first column; it
    is named by its first line. Whatever has no name is kept.
    """
    chunks = _chunks()
    named = {name: place for place, chunk in enumerate(chunks) if (name := _name(chunk))}
    kept = {place for place, chunk in enumerate(chunks) if _name(chunk) is None}
    words = set(called)
    while new := {named[word] for word in words if word in named} - kept:
        kept |= new
        words = {word for place in new for word in re.findall(r"\w+", _code(chunks[place]))}
    return "\n\n".join(chunks[place] for place in sorted(kept)) + "\n"


def _chunks() -> list[str]:
    """Comments go with what stands below them; a file's first is about the file and is left out."""
    folder = files("sparsenet.program").joinpath("kernels")
    text = "\n\n".join(folder.joinpath(f"{name}.c").read_text("utf-8").strip() for name in _FILES)
    return [chunk for chunk in re.split(r"\n\n(?=\S)", text) if _code(chunk)]


def _name(chunk: str) -> str | None:
    code = _code(chunk)
    match = None if code.startswith("#") else _NAME.search(code)
    return None if match is None else match[1] or match[2]


def _code(chunk: str) -> str:
    return re.sub(r"/\*.*?\*/", "", chunk, flags=re.DOTALL).strip()
