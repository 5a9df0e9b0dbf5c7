"""`sparsenet import-caffe`: a solver or net of Caffe's as solver.yaml and net.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparsenet.caffe.conversion import Conversion, convert
from sparsenet.caffe.data_layers import Shape
from sparsenet.caffe.report import Place as CaffePlace
from sparsenet.config.compact import write_compact
from sparsenet.config.document import Document, Place
from sparsenet.config.load import check, check_net
from sparsenet.config.net import NetConfig
from sparsenet.config.read import parse_yaml
from sparsenet.config.solver import unused_keys
from sparsenet.errors import ConfigError, Problem
from sparsenet.files import write_texts
from sparsenet.workflows.describe import DescribedNet, described, net_document, net_table

SOLVER, NET = "solver.yaml", "net.yaml"


@dataclass(frozen=True)
class Imported:
    """What was written, and what of Caffe's file was not carried over, a line each."""

    files: tuple[Path, ...]
    net: DescribedNet
    left_out: list[str]
    notes: list[str]

    @property
    def document(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "files": [str(path) for path in self.files],
            "left_out": self.left_out,
            "notes": self.notes,
            "net": net_document(self.net),
        }

    @property
    def text(self) -> str:
        """The net as a table, what was written, and what to do next."""
        written = [f"wrote {path}" for path in self.files]
        command = "train" if self.files[0].name == SOLVER else "summary"
        following = f"next: sparsenet {command} {self.files[0]}"
        return "\n".join([net_table(self.net), "", *self.notes, *written, following, ""])


def import_caffe(
    path: Path, folder: Path, *, shape: Shape | None = None, overwrite: bool = False
) -> Imported:
    """Write what a prototxt, text or binary, says: of a solver it and its net, of a net the net.

    `shape` (channels, height, width) is that of the stored images where neither the file nor the
    data tell it. Raises ConfigError with every problem of the files, PrototxtError and FileError;
    nothing is written then.
    """
    conversion = convert(path, shape, lambda _: None, lambda _: None)
    texts = _texts(conversion)
    _require_place(folder, texts, overwrite=overwrite)
    net = _checked(conversion, texts)
    write_texts(folder, texts)
    report = conversion.report
    files = tuple(folder / name for name in texts)
    return Imported(files, described(net, "TRAIN", str(path)), report.warnings(), report.notes)


def _texts(conversion: Conversion) -> dict[str, str]:
    """The files by name; keys that the chosen policy or type does not use are left out."""
    origin = f"# Imported from {Path(conversion.source.name).name}, a file of Caffe's.\n"
    texts = {NET: origin + write_compact(conversion.net.data)}
    if conversion.solver is None:
        return texts
    for (key,), words in unused_keys(conversion.solver):
        place = conversion.source.place((str(key),))
        conversion.report.leave_out(place, "", str(key), words)
        del conversion.solver[str(key)]
    return {SOLVER: origin + write_compact({"net": NET, **conversion.solver}), **texts}


def _require_place(folder: Path, names: dict[str, str], *, overwrite: bool) -> None:
    there = [folder / name for name in names if (folder / name).exists()]
    if there and not overwrite:
        words = "replace it by --overwrite, or choose another folder by --output"
        raise ConfigError([Problem("", "", f"{path} exists: {words}") for path in there])


def _checked(conversion: Conversion, texts: dict[str, str]) -> NetConfig:
    """The net of the files as they will be read, its problems told by the lines of Caffe's.

    Raises ConfigError with these and with what the conversion has found: where it has refused a
    key, nothing more is said of that line.
    """
    net = parse_yaml(texts[NET], conversion.source.name)
    places = conversion.net.places.items()
    net.places = {_path(index, key): _place(place) for (index, key), place in places}
    problems: tuple[Problem, ...] = ()
    checked = None
    if conversion.report.lacks:
        conversion.report.raise_problems()
    try:
        checked = check_net(net) if conversion.solver is None else _solver_net(conversion, net)
    except ConfigError as error:
        problems = error.problems
    known = {str(place) for place, _, _ in conversion.report.problems}
    conversion.report.raise_problems([it for it in problems if it.where not in known])
    assert checked is not None, "what is wrong with it has been raised"
    return checked


def _solver_net(conversion: Conversion, net: Document) -> NetConfig:
    document = Document(conversion.source.name, {**(conversion.solver or {})})
    lines = conversion.source.lines
    document.places = {(key,): Place(document.name, lines.get((key,))) for key in document.data}
    document.graft(("net",), net)
    document.sources += [place.name for place in net.places.values()]
    return check(document).solver.net


def _path(index: int, key: str) -> tuple[str | int, ...]:
    return ("layers", index, key) if key else ("layers", index)


def _place(place: CaffePlace) -> Place:
    return Place(place.file, place.line)
