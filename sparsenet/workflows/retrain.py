"""Training from scratch under l0 constraints of given counts (Collins & Kohli, section 5.1)."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from sparsenet.checkpoint import load_checkpoint
from sparsenet.config.constraints import weight_shapes
from sparsenet.config.load import Configuration, differing_keys, from_data
from sparsenet.config.read import read_yaml, write_yaml
from sparsenet.errors import ConfigError
from sparsenet.files import write_text
from sparsenet.layers.base import WeightedLayer
from sparsenet.progress import Display
from sparsenet.run_folder import RunFolder
from sparsenet.workflows.constraining import l0_beside
from sparsenet.workflows.resume import comparable
from sparsenet.workflows.train import TrainOptions, TrainResult, train


@dataclass(frozen=True)
class Retrained:
    """A network trained with so many weights: `accuracy` by phase, `nonzeros` of all its weights.

    It is the run's `best.pt` where there is validation data to choose it by, else `final.pt`.
    """

    folder: RunFolder
    accuracy: Mapping[str, float]
    nonzeros: int


def constrained_configuration(
    configuration: Configuration, counts: Mapping[str, int]
) -> Configuration:
    """The same training, unstaged, with an l0 constraint t = counts[name] on each layer of its own.

    Collins & Kohli, section 5.1: the distribution of nonzeros over the layers, duplicated. The
    layers keep the weight decay that they had.
    """
    data = copy.deepcopy(configuration.data)
    data.pop("stages", None)
    layers = zip(configuration.solver.net.layers, data["net"]["layers"], strict=True)
    for layer, keys in layers:
        if isinstance(layer, WeightedLayer) and layer.name in counts:
            rule = l0_beside(layer.regularization, configuration.solver)
            keys["regularization"] = rule | {"t": counts[layer.name]}
    return from_data(data, configuration.document.name)


def check_same_run(folder: RunFolder, configuration: Configuration) -> None:
    """Raise ConfigError where a folder holds a training under another configuration.

    It would be resumed, or taken for the result, as if it were this one's.
    """
    if not folder.snapshots():
        return
    try:
        earlier = comparable(read_yaml(folder.config).data)
        differing = differing_keys(earlier, comparable(configuration.data))
    except (ConfigError, KeyError, TypeError):
        differing = ["net"]  # a foreign file, or none
    if differing:
        raise ConfigError(
            f"{folder.path} holds a run of another configuration, which differs in "
            f"{', '.join(differing)}: remove it, or choose another folder by --output"
        )


def retrain(
    configuration: Configuration, folder: RunFolder, device: str | None, display: Display
) -> Retrained:
    """Train in a folder, going on where an earlier call was stopped; what is finished is only read.

    Raises what `train` raises, StoppedError after a signal among them.
    """
    folder.make()
    write_text(folder.config, write_yaml(configuration.data))
    options = TrainOptions(output=folder.path, resume="auto", device=device)
    return trained_as(train(folder.config, options, display), configuration)


def trained_as(result: TrainResult, configuration: Configuration) -> Retrained:
    """What a run came to, by its best network where it has one. Raises CheckpointError."""
    folder = result.folder
    checkpoint = load_checkpoint(folder.best if "best" in result.summary else folder.final)
    names = weight_shapes(configuration.solver.net)
    weights = (checkpoint.weights[f"{name}.weight"] for name in names)
    nonzeros = sum(int(torch.count_nonzero(weight)) for weight in weights)
    return Retrained(folder, checkpoint.accuracy, nonzeros)
