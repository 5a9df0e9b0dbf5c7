"""`sparsenet import-caffe`: a solver or net of Caffe's as files of ours, and its weights."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sparsenet.caffe.conversion import Conversion, convert
from sparsenet.caffe.data_layers import Shape
from sparsenet.caffe.report import Place as CaffePlace
from sparsenet.checkpoint import Checkpoint, save_checkpoint
from sparsenet.config.compact import write_compact
from sparsenet.config.document import Document, Place
from sparsenet.config.load import Configuration, check
from sparsenet.config.read import parse_yaml
from sparsenet.config.solver import unused_keys
from sparsenet.errors import ConfigError, Problem
from sparsenet.files import write_texts
from sparsenet.workflows.build import build_net
from sparsenet.workflows.describe import DescribedNet, described, net_document, net_table
from sparsenet.workflows.stored_images import mean_shape, stored_shape
from sparsenet.workflows.weights import load_weights, take_weights

SOLVER, NET, WEIGHTS = "solver.yaml", "net.yaml", "weights.pt"


# A checkpoint holds a solver, of which a net alone says nothing: what it has no default for.
_NO_SOLVER = {"base_lr": 0.01, "max_iter": 1}


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
        return "\n".join([net_table(self.net), "", *self.notes, *written, self._following, ""])

    @property
    def _following(self) -> str:
        by_name = {path.name: path for path in self.files}
        weights = f" --weights {by_name[WEIGHTS]}" if WEIGHTS in by_name else ""
        if SOLVER in by_name:
            return f"next: sparsenet train {by_name[SOLVER]}{weights}"
        command = f"test {by_name[WEIGHTS]}" if weights else f"summary {by_name[NET]}"
        return f"next: sparsenet {command}"


def import_caffe(
    path: Path,
    folder: Path,
    *,
    weights: Path | None = None,
    shape: Shape | None = None,
    overwrite: bool = False,
) -> Imported:
    """Write what a prototxt, text or binary, says: of a solver it and its net, of a net the net.

    And `weights`, copied by the names of the layers, as a checkpoint. `shape` (channels, height,
    width) is that of the stored images where neither the file nor the data tell it. Raises
    ConfigError with every problem of the files, CaffeError and FileError; nothing is written then.
    """
    conversion = convert(path, shape, stored_shape, mean_shape)
    texts = _texts(conversion)
    files = tuple(folder / name for name in (*texts, *[WEIGHTS] * (weights is not None)))
    _require_place(files, overwrite=overwrite)
    configuration = _checked(conversion, texts)
    report, net = conversion.report, configuration.solver.net
    checkpoint = None
    if weights is not None:
        trained = build_net(net, configuration.solver.random_seed, torch.device("cpu"))
        report.notes += take_weights(trained, load_weights(weights))
        checkpoint = Checkpoint(configuration.data, 0, trained.weights())
    write_texts(folder, texts)
    if checkpoint is not None:
        save_checkpoint(folder / WEIGHTS, checkpoint)
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


def _require_place(files: Iterable[Path], *, overwrite: bool) -> None:
    there = [path for path in files if path.exists() and not overwrite]
    if there:
        words = "exists: replace it by --overwrite, or choose another folder by --output"
        raise ConfigError([Problem("", "", f"{path} {words}") for path in there])


def _checked(conversion: Conversion, texts: dict[str, str]) -> Configuration:
    """The files as they will be read, their problems told by the lines of Caffe's.

    Of a net alone with a solver that trains nothing. Raises ConfigError with these and with what
    the conversion has found: where it has refused a key, nothing more is said of that line.
    """
    report = conversion.report
    if report.lacks:
        report.raise_problems()
    known = {str(place) for place, _, _ in report.problems}
    try:
        configuration = check(_document(conversion, texts[NET]))
    except ConfigError as error:
        problems = [it for it in error.problems if it.where not in known]
        report.raise_problems(_of_the_file(problems, conversion.added))
        raise
    report.raise_problems()
    return configuration


def _of_the_file(problems: list[Problem], added: Iterable[str]) -> list[Problem]:
    """The same, those of the layers that no file has as one of the file."""
    keys = tuple(f"net.layers.{name}." for name in added)
    ours = [it for it in problems if f"{it.key}.".startswith(keys)]
    if not ours:
        return problems
    words = f"no loss can be added to it, and a net without one is not taken: {ours[0].message}"
    return [it for it in problems if it not in ours] + [Problem(ours[0].where, "", words)]


def _document(conversion: Conversion, text: str) -> Document:
    """The solver and its net as one document, whose places are those of Caffe's files."""
    net = parse_yaml(text, conversion.source.name)
    places = conversion.net.places.items()
    net.places = {_path(index, key): _place(place) for (index, key), place in places}
    lines = conversion.source.lines
    data = dict(_NO_SOLVER if conversion.solver is None else conversion.solver)
    document = Document(conversion.source.name, data)
    document.places = {(key,): Place(document.name, lines.get((key,))) for key in data}
    document.graft(("net",), net)
    document.sources += [place.name for place in net.places.values()]
    return document


def _path(index: int, key: str) -> tuple[str | int, ...]:
    return ("layers", index, key) if key else ("layers", index)


def _place(place: CaffePlace) -> Place:
    return Place(place.file, place.line)
