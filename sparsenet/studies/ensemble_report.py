"""What ensembles came to: ensemble.csv, and the paper's Table 1."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sparsenet.studies.words import csv_text, score_columns, spread
from sparsenet.tables import aligned
from sparsenet.trials.result import Result


@dataclass(frozen=True)
class Ensemble:
    """One ensemble: its members, and the `whole`, which is the member where there is one."""

    trial: int
    members: tuple[Result, ...]
    whole: Result

    @property
    def parameters(self) -> int:
        """Nonzero weights and all biases of the whole, as the paper counts them."""
        return sum(map(parameters, self.members))


def parameters(result: Result) -> int:
    """Nonzero weights and all biases and other parameters."""
    return result.nonzeros + result.params - result.weights


def ensemble_csv(ensembles: Sequence[Ensemble]) -> str:
    """Of each ensemble a line for every member, and one without a `member` for the whole.

    `nonzeros` count weights and biases; accuracies are fractions.
    """
    return csv_text([row for one in ensembles for row in _rows(one)])


def _rows(one: Ensemble) -> Iterable[dict[str, object]]:
    for place, member in enumerate(one.members, start=1):
        yield _row(one, place, member)
    yield _row(one, "", one.whole)


def _row(one: Ensemble, member: int | str, result: Result) -> dict[str, object]:
    return {
        "members": len(one.members),
        "trial": one.trial,
        "member": member,
        "seed": result.seed,
        "nonzeros": parameters(result),
        "bytes": result.bytes,
        **score_columns(result, ("VAL", "TEST")),
        "failed": result.failed or "",
        "key": result.key,
    }


def ensemble_table(ensembles: Sequence[Ensemble]) -> str:
    """Table 1 of Collins & Kohli: a line for each number of members, over the trials."""
    head = [
        "nets",
        "nonzeros/net",
        "share",
        "total",
        "KiB",
        "VAL",
        "TEST",
        "members' TEST",
        "trials",
    ]
    kinds = list(dict.fromkeys(len(one.members) for one in ensembles))
    members = [member for one in ensembles for member in one.members]
    dense = max(member.params for member in members)
    rows = [_cells([one for one in ensembles if len(one.members) == k], dense) for k in kinds]
    lines = aligned([head, *rows])
    note = (
        "nonzeros: weights and biases that are not zero; share: of those of one dense net; KiB: in "
        "the best storage\nformats. Accuracies in %, mean and standard deviation over the trials."
    )
    failed = sum(member.failed is not None for member in members)
    diverged = [f"{failed} of {len(members)} members diverged."] if failed else []
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:], "", note, *diverged, ""])


def _cells(same: Sequence[Ensemble], dense: int) -> list[str]:
    each = max(parameters(member) for one in same for member in one.members)
    members = [member for one in same for member in one.members]
    return [
        str(len(same[0].members)),
        f"{each:,}",
        f"{100 * each / dense:.1f} %" if dense else "-",
        f"{max(one.parameters for one in same):,}",
        f"{max(one.whole.bytes for one in same) / 1024:.1f}",
        spread([one.whole for one in same], "VAL"),
        spread([one.whole for one in same], "TEST"),
        spread(members, "TEST"),
        str(len(same)),
    ]


def ensemble_json(ensembles: Sequence[Ensemble]) -> list[dict[str, Any]]:
    """The same as plain data, an entry for each ensemble; accuracies are fractions."""
    return [
        {
            "members": len(one.members),
            "trial": one.trial,
            "nonzeros": one.parameters,
            "bytes": one.whole.bytes,
            "accuracy": one.whole.accuracy,
            "each": [member.accuracy for member in one.members],
        }
        for one in ensembles
    ]
