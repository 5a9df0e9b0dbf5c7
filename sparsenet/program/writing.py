"""A program as a C99 project: header, source, a main that reads an image, and a Makefile."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from sparsenet.files import write_texts
from sparsenet.program.calls import Calls, number_arrays, packed_arrays
from sparsenet.program.constants import array, identifier, packed
from sparsenet.program.operation import Numbers, Packed
from sparsenet.program.plan import Program
from sparsenet.program.preparing import Preparing

_STACK = 2048
_TEMPLATES = ("header.h", "net.c", "main.c", "Makefile")
_SWAP = """\
    for (size_t at = 0; at < sizeof pixels; at += 3) { /* a PPM has red first */
        unsigned char red = pixels[at];
        pixels[at] = pixels[at + 2];
        pixels[at + 2] = red;
    }
"""
_RESERVED = ("arena", "count", "images", "scores", "main", "most", "i", "prepare")


@dataclass(frozen=True)
class Project:
    """What is written, and what it takes in bytes.

    `weights` are packed, `numbers` what else is constant, biases and what prepares an image, `ram`
    the static memory that computes, `caller` an image and its scores.
    """

    folder: Path
    name: str
    weights: int
    numbers: int
    ram: int
    caller: int


def file_names(title: str) -> tuple[str, str, str, str]:
    """The files of a project of this title."""
    name = _name(title)
    return f"{name}.h", f"{name}.c", "main.c", "Makefile"


def write_project(
    program: Program,
    prepare: Preparing,
    folder: Path,
    title: str,
    classes: Sequence[str] | None = None,
) -> Project:
    """Write NAME.h, NAME.c, main.c and Makefile into a folder, which is made if it is not there.

    NAME is made of the title. Raises FileError.
    """
    name = _name(title)
    project = _project(program, prepare, folder, name)
    words = _words(program, prepare, project, title, classes)
    templates = files("sparsenet.program").joinpath("project")
    texts = {
        file: _filled(templates.joinpath(template).read_text("utf-8"), words)
        for template, file in zip(_TEMPLATES, file_names(title), strict=True)
    }
    write_texts(folder, texts)
    return project


def _name(title: str) -> str:
    return identifier(title, _RESERVED)


def _project(program: Program, prepare: Preparing, folder: Path, name: str) -> Project:
    numbers = sum(one.values.nbytes for one in number_arrays(program)) + prepare.nbytes
    return Project(
        folder,
        name,
        weights=sum(one.encoded.nbytes for one in packed_arrays(program)),
        numbers=numbers,
        ram=4 * program.arena,
        caller=4 * (program.image.size + program.scores.size),
    )


def _filled(text: str, words: Mapping[str, str]) -> str:
    """The text with its words in capitals that begin with NET replaced, also within identifiers."""
    names = sorted(words, key=len, reverse=True)
    return re.sub("|".join(names), lambda match: words[match[0]], text)


def _words(
    program: Program,
    prepare: Preparing,
    project: Project,
    title: str,
    classes: Sequence[str] | None,
) -> dict[str, str]:
    arrays, names = _arrays(program)
    arrays += array("prepare_means", "float", prepare.means)
    arrays += array("prepare_factors", "float", prepare.factors)
    calls = Calls(program, lambda one: ("&" if isinstance(one, Packed) else "") + names[one])
    lines = "".join(f"    {line};\n" for line in calls.lines())
    channels, height, width = prepare.stored
    window = (*prepare.stored, *prepare.shape[1:])
    known = classes or [""] * program.scores.size
    return {
        "NETTITLE": _commented(title),
        "NETSTATED": _stated(program, project),
        "NETNAME": project.name,
        "NETUPPER": project.name.upper(),
        "NETCHANNELS": str(channels),
        "NETORDER": _order(prepare),
        "NETSWAP": _SWAP if prepare.has_blue_first else "",
        "NETHEIGHT": str(height),
        "NETWIDTH": str(width),
        "NETIMAGE": str(program.image.size),
        "NETSCORES": str(program.scores.size),
        "NETCALLS": calls.text({"prepare"}),
        "NETARRAYS": arrays,
        "NETARENA": f"static float arena[{program.arena}];\n" if program.arena else "",
        "NETCLASSES": "\n".join(f"    {_quoted(name)}," for name in known),
        "NETLINES": lines,
        "NETPREPARE": f"{', '.join(map(str, window))}, prepare_means,"
        f" {int(prepare.is_image)}, prepare_factors",
    }


def _order(prepare: Preparing) -> str:
    """The order of a pixel's channels, behind what says that they lie together."""
    if prepare.stored[0] != 3:
        return ""
    return ", blue first" if prepare.has_blue_first else ", red first"


def _arrays(program: Program) -> tuple[str, dict[Packed | Numbers, str]]:
    """The weights and numbers as C, and the name of each."""
    text, taken = "", set(_RESERVED)
    names: dict[Packed | Numbers, str] = {}
    every: list[Packed | Numbers] = [*packed_arrays(program), *number_arrays(program)]
    for one in every:
        suffix = " weight" if isinstance(one, Packed) else ""
        name = identifier(one.name + suffix, taken)
        taken.add(name)
        names[one] = name
        text += (
            packed(name, one.encoded)
            if isinstance(one, Packed)
            else array(name, "float", one.values)
        )
    return text, names


def _stated(program: Program, project: Project) -> str:
    """What it takes, for the top of the source."""
    lines = [
        f"Weights, packed: {project.weights:,} bytes. Other numbers: {project.numbers:,} bytes.",
        f"RAM: {project.ram:,} bytes, static, and under -Os at most {_STACK:,} of stack.",
        f"Of the caller: an image and its scores, {project.caller:,} bytes.",
        "",
    ]
    for one in packed_arrays(program):
        packed_in = f"{one.encoded.format.name}, {one.encoded.values.name}"
        size = f"{one.encoded.nonzeros:,} nonzeros, {one.encoded.nbytes:,} bytes"
        lines.append(f"{_commented(one.name)}: {size} ({packed_in})")
    return "\n".join(lines)


def _commented(text: str) -> str:
    printable = "".join(c if c.isprintable() else "?" for c in text)
    return printable.replace("*/", "* /").replace("/*", "/ *")


def _quoted(text: str) -> str:
    """A string of C: its UTF-8, with octal escapes for all but plain letters."""
    plain = "".join(
        chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\?' else f"\\{byte:03o}"
        for byte in text.encode("utf-8", "replace")
    )
    return f'"{plain}"'
