"""What the commands of studies write is read: no row of theirs is damage."""

from __future__ import annotations

from pathlib import Path

from sparsenet.plots.datasize import datasize_figure
from sparsenet.plots.layers import layers_figure
from sparsenet.plots.tradeoff import Search, tradeoff_figure
from sparsenet.report.ensemble import ensemble_report
from sparsenet.report.page import page
from sparsenet.report.search import search_report
from sparsenet.report.sweep import sweep_report
from sparsenet.results.rows import Study, StudyLayer
from sparsenet.results.study import read_ensemble, read_front, read_path, read_sweep
from sparsenet.studies.ensemble_report import Ensemble, ensemble_csv
from sparsenet.studies.front import Candidate, front_csv
from sparsenet.studies.strategies import Found
from sparsenet.trials.result import LayerCount, Result
from sparsenet.trials.trial import Trial
from tests.plots.pictures import legend_texts

SIZES = {"conv": 80, "ip": 520}
STUDY = Study("search", "s.yaml", "net", tuple(StudyLayer(n, (k,), k, 2) for n, k in SIZES.items()))


def trial(seed: int) -> Trial:
    return Trial({"max_iter": 7, "iter_size": 1, "random_seed": seed, "net": {"layers": []}})


def result(seed: int, kept: int = 520, samples: int | None = None) -> Result:
    layers = {"conv": LayerCount(80, 80), "ip": LayerCount(520, kept)}
    scores = {"VAL": 0.75, "TEST": None} | ({"TRAIN": 0.9} if samples else {})
    of = {"TRAIN": samples} if samples else {}
    return Result(trial(seed).key, seed=seed, accuracy=scores, loss={"VAL": 0.5}, samples=of,
                  layers=layers, params=604, bytes=4 * kept)  # fmt: skip


def diverged(seed: int) -> Result:
    return Result(trial(seed).key, seed=seed, failed="the loss is not finite")


def test_a_search_with_a_candidate_that_diverged(tmp_path: Path) -> None:
    found = [
        Candidate(n, n != 1, 7 * n, Found(trial(n), SIZES | {"ip": kept}, "ip" if n else "", one))
        for n, (kept, one) in enumerate(
            ((520, result(0)), (400, diverged(1)), (300, result(2, 300)))
        )
    ]
    path = tmp_path / "front.csv"
    path.write_text(front_csv("greedy", found))
    start, spoilt, last = rows = read_front(path)
    assert (start.counts, last.counts) == (SIZES, SIZES | {"ip": 300})
    assert (spoilt.bytes, spoilt.density, spoilt.t["ip"], spoilt.counts) == (None, None, 400, {})
    report = search_report(STUDY, rows, "runs/s")
    assert "1 diverged" in report.lead[0]
    assert "--write-solver 1200" in page(report)
    figure = tradeoff_figure([Search("greedy", rows)])
    assert figure.legends[0].get_title().get_text() == "left out: 1 without accuracy"
    assert len(layers_figure([start, last], SIZES).axes) == 2
    path.write_text(front_csv("greedy", [found[0], found[2]]))
    assert [point.nonzeros for point in read_path(path)] == [600, 380]


def test_ensembles_with_a_member_that_diverged(tmp_path: Path) -> None:
    path = tmp_path / "ensemble.csv"
    ensembles = [Ensemble(1, (result(1), result(2)), result(3, 900)),
                 Ensemble(2, (result(4), diverged(5)), diverged(6))]  # fmt: skip
    path.write_text(ensemble_csv(ensembles))
    rows = read_ensemble(path)
    assert [row.member for row in rows] == [1, 2, None] * 2
    assert [row.val_accuracy for row in rows] == [0.75] * 4 + [None] * 2
    assert ensemble_report(STUDY, rows).lead[0] == "2 ensembles of 4 members in all."


def test_a_sweep_over_shares_of_the_samples(tmp_path: Path) -> None:
    # A record imported before tests are gathered is one that tests/contracts finds undocumented.
    from sparsenet.config.sweep import Method
    from sparsenet.studies.grid import Setting
    from sparsenet.studies.sweep_report import Row, sweep_csv

    path = tmp_path / "sweep.csv"
    rows = [
        Row(Setting(method, Method(), "", {"net.layers.d.subset": share}, ()), trial(seed), one)
        for method in ("dense", "l0")
        for share, one in (("10%", result(1, samples=100)), ("50%", result(1, samples=500)))
        for seed in (1, 2)
    ]
    rows.append(Row(rows[0].setting, trial(3), diverged(3)))
    path.write_text(sweep_csv(rows))
    read = read_sweep(path)
    assert [row.samples for row in read] == [*[100, 100, 500, 500] * 2, None]
    assert read[0].grid == {"layers": "", "net.layers.d.subset": "10%"}
    assert legend_texts(datasize_figure(read)) == ["dense", "l0", "on VAL", "on training data"]
    assert "1 failed" in sweep_report(STUDY, read).lead[0]
