"""`sparsenet ensemble`: several sparse nets in the memory of one (Collins & Kohli, section 5.3)."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sparsenet.config.constraints import learnt_weights, weight_shapes
from sparsenet.config.load import Configuration, from_data
from sparsenet.errors import ConfigError
from sparsenet.files import replacing, write_text
from sparsenet.layers.data import Data
from sparsenet.regularization.regularizers import L0
from sparsenet.studies.distribution import DistributionOptions
from sparsenet.studies.ensemble_report import Ensemble, ensemble_csv, ensemble_json, ensemble_table
from sparsenet.studies.study import (
    StudyOptions,
    document_of,
    folder_of,
    open_study,
    read_solver,
)
from sparsenet.study_folder import StudyFolder
from sparsenet.trials.engine import Engine
from sparsenet.trials.show import Show
from sparsenet.trials.trial import Trial
from sparsenet.workflows.build import memory_with
from sparsenet.workflows.joined import joined_configuration
from sparsenet.workflows.retrain import constrained_configuration
from sparsenet.workflows.train import MISSED

MOST_MEMBERS = 100


@dataclass(frozen=True)
class EnsembleOptions:
    """What the command line asks: ensembles of so many `members` each, `trials` of each kind."""

    members: Sequence[int]
    trials: int = 1
    distribution: DistributionOptions = field(default_factory=DistributionOptions)
    overrides: Sequence[str] = ()
    study: StudyOptions = field(default_factory=StudyOptions)


@dataclass(frozen=True)
class EnsembleResult:
    """The ensembles, by number of members and then by trial."""

    folder: StudyFolder
    ensembles: tuple[Ensemble, ...]

    @property
    def exit_code(self) -> int:
        """3 where a member diverged, else 0."""
        return MISSED if any(one.whole.failed is not None for one in self.ensembles) else 0

    @property
    def text(self) -> str:
        """Table 1 of the paper, of these ensembles."""
        return ensemble_table(self.ensembles)

    @property
    def document(self) -> dict[str, Any]:
        """The same, and each ensemble, as one document for `json.dumps`."""
        return {"folder": str(self.folder.path), "ensembles": ensemble_json(self.ensembles)}


@dataclass(frozen=True)
class _Planned:
    """An ensemble before it is trained: its members, and itself as a trial."""

    number: int
    members: tuple[Trial, ...]
    whole: Trial


def ensemble(solver: Path, options: EnsembleOptions, show: Show) -> EnsembleResult:
    """Train the members of each ensemble and join them.

    Raises ConfigError before anything is written, and what `Engine.run` raises.
    """
    configuration = read_solver(solver, options.overrides)
    planned = _plan(configuration, options)
    folder = StudyFolder(folder_of(solver, "ensemble", configuration, options.study.output))
    chosen = options.distribution
    settings = {
        "from": None if chosen.search is None else str(chosen.search),
        "t": chosen.t,
        "density": chosen.density,
        "members": list(options.members),
        "trials": options.trials,
        "threads": options.study.threads,
    }
    document = document_of("ensemble", solver, configuration, settings)
    with open_study(folder, document, options.study, show, free=("members", "trials")) as engine:
        every = (trial for one in planned for trial in (*one.members, one.whole))
        trials = list({trial.key: trial for trial in every}.values())
        engine.run(trials)
        ensembles = tuple(_taken(one, engine) for one in planned)
        write_text(folder.ensemble, ensemble_csv(ensembles))
        for one in planned:
            if engine.journal.results[one.whole.key].failed is None:
                _copy(engine.weights_of(one.whole), folder.whole(len(one.members), one.number))
        return EnsembleResult(folder, ensembles)


def _plan(configuration: Configuration, options: EnsembleOptions) -> list[_Planned]:
    """Every ensemble that is asked for. Raises ConfigError where one cannot be."""
    for number in options.members:
        if not 1 <= number <= MOST_MEMBERS:
            raise ConfigError(f"--members {number}: from 1 to {MOST_MEMBERS} are possible")
    net = configuration.solver.net
    layers = weight_shapes(net)
    shapes = {name: tuple(shape) for name, (_, shape) in layers.items()}
    # An l0 of the solver's own, which has its t perhaps from a stage, gives way to the counts.
    sizes = learnt_weights(net)
    own = {n: sizes[n] for n, (it, _) in layers.items() if isinstance(it.regularization, L0)}
    whole = memory_with(net, {})
    planned = []
    for members in options.members:
        most = whole.total.params // members - (whole.total.params - whole.weights.params)
        if most < len(shapes):
            words = f"1/{members} of its {whole.total.params:,} parameters is too little for a net"
            raise ConfigError(f"--members {members}: {words} with biases and a weight a layer")
        counts = {} if members == 1 else options.distribution.counts(shapes, sizes, most)
        constrained = constrained_configuration(configuration, own | counts)
        planned += [_one(constrained, members, trial) for trial in range(1, options.trials + 1)]
    return planned


def _one(constrained: Configuration, members: int, number: int) -> _Planned:
    """Ensemble `number` of so many members. A single net is trained on the samples as they are."""
    first = constrained.solver.random_seed + MOST_MEMBERS * (number - 1)
    name = f"{members} nets, trial {number}"
    if members == 1:
        single = Trial(_seeded(constrained, first, bagged=False).data, label=name)
        return _Planned(number, (single,), single)
    trials = tuple(
        Trial(
            _seeded(constrained, first + place, bagged=True).data,
            label=f"{name}, member {place + 1}",
        )
        for place in range(members)
    )
    joined = joined_configuration(constrained, members)
    whole = Trial(joined.data, members=trials, trains=False, label=f"{name}, whole")
    return _Planned(number, trials, whole)


def _seeded(configuration: Configuration, seed: int, *, bagged: bool) -> Configuration:
    """The same training with another seed, which also draws its samples where it is bagged."""
    data = copy.deepcopy(configuration.data) | {"random_seed": seed}
    for layer, keys in zip(configuration.solver.net.layers, data["net"]["layers"], strict=True):
        if bagged and isinstance(layer, Data) and "TRAIN" in layer.phases:
            keys["bootstrap"] = seed
    return from_data(data, configuration.document.name)


def _taken(one: _Planned, engine: Engine) -> Ensemble:
    results: Mapping[str, Any] = engine.journal.results
    members = tuple(results[trial.key] for trial in one.members)
    return Ensemble(one.number, members, results[one.whole.key])


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as stream, replacing(target) as copied:
        shutil.copyfileobj(stream, copied)
