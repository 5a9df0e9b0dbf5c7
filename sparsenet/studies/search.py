"""`sparsenet search`: the layer-wise distribution of nonzeros (Collins & Kohli, section 4.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparsenet.files import write_text
from sparsenet.studies.front import Candidate, front_csv, path_json, path_table
from sparsenet.studies.plan import Plan, SearchOptions
from sparsenet.studies.strategies import STRATEGIES, Counts, Found
from sparsenet.studies.study import document_of, draw, folder_of, open_study, read_solver
from sparsenet.studies.targets import Size
from sparsenet.studies.write_solver import write_solver
from sparsenet.study_folder import StudyFolder
from sparsenet.trials.engine import Engine, TrialError
from sparsenet.trials.show import Show
from sparsenet.workflows.budget import Within, write_within


@dataclass(frozen=True)
class SearchResult:
    """All candidates in order, the network that the search starts from first.

    `within` is the packed file of the last network on the path, where there is a budget.
    """

    folder: StudyFolder
    candidates: tuple[Candidate, ...]
    strategy: str
    within: Within | None = None

    @property
    def exit_code(self) -> int:
        """3 where the file is larger than its budget."""
        return 0 if self.within is None or self.within.met else 3

    @property
    def path(self) -> list[Candidate]:
        """The networks that the search went on from; the last one meets the target."""
        return [candidate for candidate in self.candidates if candidate.accepted]

    @property
    def text(self) -> str:
        """The path as a table for the reader."""
        table = path_table(self.strategy, self.path, self.candidates[-1].spent)
        return table if self.within is None else f"{table}{self.within.text}\n"

    @property
    def document(self) -> dict[str, Any]:
        """The path as one document for `json.dumps`."""
        return {
            "folder": str(self.folder.path),
            "strategy": self.strategy,
            "iterations": self.candidates[-1].spent,
            "path": path_json(self.path),
            **({} if self.within is None else {"packed": self.within.document}),
        }


def search(solver: Path, options: SearchOptions, show: Show) -> SearchResult:
    """Search from the dense network that SOLVER trains, or from --weights, to the target.

    Raises ConfigError before anything is written, where no distribution can meet the target too;
    what `Engine.run` raises, with the candidates so far in front.csv; TrialError where every
    candidate of a round diverges.
    """
    configuration = read_solver(solver, options.overrides)
    plan = Plan(configuration, options)
    target = plan.target
    folder = StudyFolder(folder_of(solver, "search", configuration, options.study.output))
    document = document_of("search", solver, configuration, plan.settings())
    with open_study(folder, document, options.study, show, free=("target",)) as engine:
        running = _Running(plan, engine)
        strategy = STRATEGIES[options.strategy](plan.cut)
        current = running.first()
        while not target.met(running.size(current)):
            show.expected(*plan.remaining(strategy, current))
            following = strategy.next(running, current)
            if following is None or following.result.failed is not None:
                raise TrialError(_no_way(current, following))
            running.accept(following)
            current = following
        draw(folder, show)
        within = None
        if target.is_file and target.bytes is not None:
            weights = engine.weights_of(current.trial)
            within = write_within(weights, folder.packed, target.bytes)
        return SearchResult(folder, tuple(running.candidates), options.strategy, within)


def written_solver(solver: Path, overrides: Sequence[str], output: Path | None, size: str) -> Path:
    """The solver file, written now, of the best network of at most `size` that a search has found.

    Raises as `write_solver`.
    """
    configuration = read_solver(solver, overrides)
    return write_solver(StudyFolder(folder_of(solver, "search", configuration, output)), size)


def _no_way(current: Found, following: Found | None) -> str:
    if following is None:
        return "no layer has a weight left to lose"
    words = f"every candidate after {current.trial.label} diverged, the last: "
    return f"{words}{following.result.failed}; a smaller base_lr may help"


class _Running:
    """A search under way: it trains candidates and writes front.csv."""

    def __init__(self, plan: Plan, engine: Engine) -> None:
        self.plan, self.engine = plan, engine
        self.shapes: Mapping[str, tuple[int, ...]] = plan.shapes
        self.sizes: Counts = plan.sizes
        self.candidates: list[Candidate] = []
        self.round = self.spent = 0

    def first(self) -> Found:
        """Train the dense network, or measure the one that is given."""
        trial = self.plan.first()
        [result] = self.engine.run([trial])
        if result.failed is not None:
            raise TrialError(f"{trial.label}: {result.failed}")
        found = Found(trial, dict(self.plan.sizes), "", result)
        self._add(found)
        self.accept(found)
        return found

    def train(
        self, start: Found, cuts: Sequence[tuple[str, Counts]], *, shared: bool
    ) -> list[Found]:
        """As `Search.train`."""
        trials = [
            self.plan.candidate(start.trial, self._label(layer, counts), counts, shared=shared)
            for layer, counts in cuts
        ]
        results = self.engine.run(trials)
        found = [
            Found(trial, result.counts if shared and result.counts else counts, layer, result)
            for trial, (layer, counts), result in zip(trials, cuts, results, strict=True)
        ]
        for one in found:
            self._add(one)
        return found

    def accept(self, chosen: Found) -> None:
        """Go on from a candidate; the weights of the others of its round are of no more use."""
        for place, candidate in enumerate(self.candidates):
            if candidate.round != self.round:
                continue
            trial = candidate.found.trial
            if trial.key == chosen.trial.key:
                self.candidates[place] = Candidate(self.round, True, candidate.spent, chosen)
            else:
                with suppress(OSError):
                    self.engine.weights_of(trial).unlink(missing_ok=True)
        self.round += 1
        folder, strategy = self.engine.folder, self.plan.options.strategy
        write_text(folder.front, front_csv(strategy, self.candidates))
        accepted = [candidate for candidate in self.candidates if candidate.accepted]
        write_text(folder.accepted, front_csv(strategy, accepted))

    def size(self, found: Found) -> Size:
        """The size of a network that was trained."""
        dense, result = self.plan.dense, found.result
        return Size(result.nonzeros, result.weights, result.bytes, dense.dense)

    def _add(self, found: Found) -> None:
        self.spent += found.trial.updates
        self.candidates.append(Candidate(self.round, False, self.spent, found))

    def _label(self, layer: str, counts: Counts) -> str:
        what = f"{layer} {counts[layer]:,}" if layer else f"{sum(counts.values()):,} nonzeros"
        return f"round {self.round}, {what}"
