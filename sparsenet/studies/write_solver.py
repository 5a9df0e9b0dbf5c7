"""The solver file of a network that a search has found."""

from __future__ import annotations

from pathlib import Path

from sparsenet.config.constraints import learnt_weights, weight_shapes
from sparsenet.config.load import from_data
from sparsenet.config.read import write_yaml
from sparsenet.errors import ConfigError
from sparsenet.files import FileError, write_text
from sparsenet.regularization.regularizers import L0
from sparsenet.results.rows import Point
from sparsenet.storage.report import human_bytes
from sparsenet.studies.distribution import searched
from sparsenet.studies.study import read_study
from sparsenet.studies.targets import size_in_bytes
from sparsenet.study_folder import StudyFolder
from sparsenet.workflows.retrain import constrained_configuration


def write_solver(folder: StudyFolder, size: str) -> Path:
    """Write the solver file of a search's best network of at most `size`, as 32KiB, and its path.

    Of the networks that the search went on from it is the one of the highest validation accuracy,
    of equals the smallest; its counts are the t of the layers, and the rest is the search's SOLVER.
    Raises ConfigError where the folder holds no search, or no network so small; FileError.
    """
    most = size_in_bytes(f"--write-solver {size}", size)
    points = searched(folder.path)
    study = read_study(folder)
    if study is None:
        raise ConfigError(f"{folder.path}: is not the folder of a search: it has no study.json")
    fitting = [point for point in points if point.bytes <= most]
    if not fitting:
        least = human_bytes(min(point.bytes for point in points))
        words = f"the smallest network of the search takes {least}"
        raise ConfigError(f"--write-solver {size}: {words}; let it go on to a smaller budget")
    best = max(fitting, key=lambda point: (point.val_accuracy, -point.bytes))
    configuration = from_data(study["configuration"], str(folder.study))
    layers = weight_shapes(configuration.solver.net)
    sizes = learnt_weights(configuration.solver.net)
    if any(t > sizes.get(name, 0) for name, t in best.counts.items()):
        raise FileError(f"{folder.accepted}: is of another net than {folder.study.name} beside it")
    counts = {
        name: max(1, t)
        for name, t in best.counts.items()
        if t < sizes[name] or isinstance(layers[name][0].regularization, L0)
    }
    target = folder.solver(size.replace(" ", ""))
    data = constrained_configuration(configuration, counts).data
    write_text(target, _head(best, folder, sum(sizes.values())) + write_yaml(data))
    return target


def _head(point: Point, folder: StudyFolder, weights: int) -> str:
    test = "" if point.test_accuracy is None else f", TEST {100 * point.test_accuracy:.2f} %"
    scores = f"VAL {100 * point.val_accuracy:.2f} %{test}"
    lines = [
        f"Round {point.round} of a search: {point.nonzeros:,} of {weights:,} weights,",
        f"{human_bytes(point.bytes)} in the best formats. It had {scores}. From its weights:",
        f"--weights {folder.run(point.key).final}",
    ]
    return "".join(f"# {line}\n" for line in lines)
