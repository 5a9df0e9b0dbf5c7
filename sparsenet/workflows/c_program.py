"""A trained net as a C99 project that computes from its packed weights."""

from __future__ import annotations

from pathlib import Path

from sparsenet.errors import ConfigError, Problem
from sparsenet.net import Net
from sparsenet.program.plan import plan
from sparsenet.program.preparing import preparing
from sparsenet.program.writing import Project, file_names, write_project
from sparsenet.storage.encoded import Encoded, encode
from sparsenet.storage.values import FLOAT32, Values
from sparsenet.workflows.stored import StoredNet


def export_c(
    stored: StoredNet, folder: Path, values: Values = FLOAT32, *, overwrite: bool = False
) -> Project:
    """Write the net that a checkpoint holds as a C project into a folder.

    Each weight is in the format that takes the fewest bytes with these values. Raises ConfigError
    where the folder has files of these names already (unless `overwrite`), where a layer has no C,
    and where a weight cannot be held in such values; FileError.
    """
    net = stored.net
    there = [name for name in file_names(net.config.name) if (folder / name).exists()]
    if there and not overwrite:
        words = f"{folder} has {', '.join(there)} already: give --overwrite, or another folder"
        raise ConfigError(words)
    program = plan(net, packed_weights(net, values))
    graph = net.graphs.get("TEST") or net.graphs.get("VAL") or net.graphs["TRAIN"]
    prepare = preparing(graph.data, stored.checkpoint.mean_image)
    classes = stored.checkpoint.classes
    if classes is not None and len(classes) != program.scores.size:
        classes = None
    return write_project(program, prepare, folder, net.config.name, classes)


def packed_weights(net: Net, values: Values = FLOAT32) -> dict[str, Encoded]:
    """Every weight in its cheapest format. Raises ConfigError naming all that cannot be held."""
    packed, problems = {}, []
    for blob in net.blobs:
        if blob.is_weight:
            try:
                packed[blob.layer.name] = encode(blob.tensor.detach(), values)
            except ValueError as error:
                problems.append(Problem("", blob.layer.name, f"{values.name}: {error}"))
    if problems:
        raise ConfigError(problems)
    return packed
