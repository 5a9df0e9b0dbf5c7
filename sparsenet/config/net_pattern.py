"""The net file's `kernel_pattern` over the convolutions that it is for."""

from __future__ import annotations

import copy
from typing import Any

from sparsenet.config.document import Document
from sparsenet.layers.convolution import Convolution
from sparsenet.layers.kernel_pattern import read_pattern
from sparsenet.record import KeyPath, check_record

KEY = "kernel_pattern"
MEANING = (
    "that of each convolution after the first which leaves it out, is larger than 1x1 and in one "
    "group"
)


def merge_kernel_pattern(document: Document, path: KeyPath) -> None:
    """Move the `kernel_pattern` of the net at `path` into the convolutions that it is for.

    Kundu et al. (2020): all but the first and those of 1x1. Notes what is wrong with it, once.
    """
    net, above = document.at(path), (*path, KEY)
    if not isinstance(net, dict) or (given := net.pop(KEY, None)) is None:
        return
    pattern, problems = read_pattern(given)
    for key, message in problems:
        document.report((*above, *key), message)
    layers = net.get("layers")
    if pattern is None or pattern.is_dense or not isinstance(layers, list):
        return
    chosen = {
        index: kernel for index, kernel in _larger(layers).items() if KEY not in layers[index]
    }
    found = ((index, pattern.kernel_problem(kernel)) for index, kernel in chosen.items())
    wrong = next(((index, words) for index, words in found if words), None)
    if wrong is not None:
        document.report(above, f"{layers[wrong[0]]['name']}: {wrong[1]}")
    elif not chosen:
        words = "there is no convolution for it: larger than 1x1, in one group, after the first"
        document.report(above, words)
    else:
        for index in chosen:
            place = (*path, "layers", index, KEY)
            layers[index][KEY] = copy.deepcopy(given)
            document.move(place, above)


def _larger(layers: list[Any]) -> dict[int, tuple[int, int]]:
    """The kernels of the convolutions that are larger than 1x1, by index, but of the first.

    Without those that are wrong in themselves, which their records complain of.
    """
    convolutions = [
        index
        for index, layer in enumerate(layers)
        if isinstance(layer, dict) and layer.get("type") == "Convolution"
    ]
    records = {index: check_record(Convolution, layers[index])[0] for index in convolutions[1:]}
    return {
        index: record.kernel_pair
        for index, record in records.items()
        if record is not None and record.group == 1 and record.kernel_pair != (1, 1)
    }
