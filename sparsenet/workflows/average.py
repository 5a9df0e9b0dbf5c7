"""`sparsenet ensemble MODEL...`: trained nets, averaged as they are."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparsenet.checkpoint import save_checkpoint, violations
from sparsenet.config.load import Configuration, from_data
from sparsenet.errors import ConfigError
from sparsenet.packed.model import PackError
from sparsenet.progress import Display
from sparsenet.solver.evaluate import Score
from sparsenet.storage.accounting import ModelMemory
from sparsenet.storage.report import human_bytes
from sparsenet.study_folder import StudyFolder
from sparsenet.tables import aligned
from sparsenet.workflows.build import counted_memory
from sparsenet.workflows.held_out import scores_of
from sparsenet.workflows.joined import joined_checkpoint, joined_configuration
from sparsenet.workflows.models import load_model
from sparsenet.workflows.stored import open_stored, stored_net

_FREE = ("regularization", "bootstrap", "weight_filler", "bias_filler")
"""Keys in which the members may differ: they tell how a net is trained, not what it computes."""


@dataclass(frozen=True)
class Averaged:
    """Each net and the mean of all, by file, as tested; the last is the ensemble."""

    scores: dict[str, Score | None]
    memory: dict[str, ModelMemory]

    @property
    def text(self) -> str:
        """A line a net."""
        head = ["net", "nonzeros", "in the best formats", "TEST %"]
        return "\n".join(aligned([head, *(self._cells(name) for name in self.scores)]))

    def _cells(self, name: str) -> list[str]:
        score, total = self.scores[name], self.memory[name].total
        accuracy = None if score is None else score.accuracy
        shown = "-" if accuracy is None else f"{100 * accuracy:.2f}"
        return [name, f"{total.nonzeros:,}", human_bytes(total.bytes["best"]), shown]

    @property
    def document(self) -> dict[str, Any]:
        """The same as plain data, by file; accuracies are fractions."""
        return {
            name: {
                "nonzeros": self.memory[name].total.nonzeros,
                "bytes": self.memory[name].total.bytes["best"],
                "accuracy": None if score is None else score.accuracy,
            }
            for name, score in self.scores.items()
        }


def average(
    models: Sequence[Path], folder: StudyFolder, device: str | None, display: Display
) -> Averaged:
    """Write the checkpoint of the mean of several nets' softmax outputs, and test all of them.

    Raises ConfigError where they are fewer than two, or do not compute alike from the same images;
    CheckpointError, PackError, DataError, FileError.
    """
    output = folder.average(len(models))
    if output.exists():
        raise ConfigError(f"{output}: is there already")
    if len(models) < 2:
        raise ConfigError(f"{models[0]}: an ensemble needs two models or more")
    checkpoints = [load_model(path) for path in models]
    configurations = [
        from_data(one.config, str(path)) for path, one in zip(models, checkpoints, strict=True)
    ]
    for path, one in zip(models, checkpoints, strict=True):
        if found := violations(one):
            raise PackError(f"{path}: {'; '.join(found)}")
    for path, other in zip(models[1:], configurations[1:], strict=True):
        _require_alike(models[0], configurations[0], path, other)
    joined = joined_configuration(_as_trained(configurations[0]), len(models))
    whole = joined_checkpoint(joined, checkpoints)
    scores: dict[str, Score | None] = {}
    memory: dict[str, ModelMemory] = {}
    for path in models:
        stored = open_stored(path, device=device)
        scores[str(path)] = scores_of(stored, ["TEST"], display).get("TEST")
        memory[str(path)] = counted_memory(stored.net)
    stored = stored_net(whole, str(output), device=device)
    score = scores_of(stored, ["TEST"], display).get("TEST")
    if score is not None and score.accuracy is not None:
        whole = dataclasses.replace(whole, accuracy={"TEST": score.accuracy})
    folder.make()
    save_checkpoint(output, whole)
    return Averaged(
        scores | {str(output): score}, memory | {str(output): counted_memory(stored.net)}
    )


def _as_trained(configuration: Configuration) -> Configuration:
    """A configuration without what only a training needs: its stages and the layers' rules.

    The members' constraints are in their checkpoints, whatever stage they come from.
    """
    data = copy.deepcopy(configuration.data)
    data.pop("stages", None)
    for layer in data["net"]["layers"]:
        layer.pop("regularization", None)
    return from_data(data, configuration.document.name)


def _require_alike(first: Path, one: Configuration, second: Path, other: Configuration) -> None:
    """Raise ConfigError naming the first layer in which two nets differ in what they compute."""
    layers = [configuration.solver.net.layers for configuration in (one, other)]
    for mine, theirs in zip(*layers, strict=False):
        kept = [layer.model_dump(exclude=set(_FREE)) for layer in (mine, theirs)]
        if kept[0] != kept[1]:
            words = f"its net differs from that of {first} in layer {theirs.name!r}"
            raise ConfigError(f"{second}: {words}")
    if len(layers[0]) != len(layers[1]):
        raise ConfigError(f"{second}: its net has another number of layers than that of {first}")
