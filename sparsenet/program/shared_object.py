"""A program for this machine: C text that takes its weights by pointers."""

from __future__ import annotations

from sparsenet.program.calls import Calls, number_arrays, packed_arrays
from sparsenet.program.operation import Numbers, Packed
from sparsenet.program.plan import Program

ENTRY = "sparsenet_run"
_RUN = """
int {entry}(const float *images, float *scores, float *arena, const struct packed *weights,
            const float *const *numbers, int total, int first, int last);

int {entry}(const float *images, float *scores, float *arena, const struct packed *weights,
            const float *const *numbers, int total, int first, int last)
{{
    int done, count;
    (void)weights;
    (void)numbers;
    for (done = 0; done < total; done += count) {{
        count = total - done < GROUP ? total - done : GROUP;
{calls}
        images += (size_t)count * {image};
        scores += (size_t)count * {scores};
    }}
    return 0;
}}
"""


def source(program: Program) -> str:
    """The text: it computes operations first..last - 1 of `total` images.

    No weight is in it, so that it serves all weights of these shapes and formats.
    """
    weights = {id(one): f"weights + {i}" for i, one in enumerate(packed_arrays(program))}
    numbers = {id(one): f"numbers[{i}]" for i, one in enumerate(number_arrays(program))}

    def array(one: Packed | Numbers) -> str:
        return (weights if isinstance(one, Packed) else numbers)[id(one)]

    calls = Calls(program, array)
    lines = "\n".join(
        f"        if (first <= {i} && {i} < last)\n            {line};"
        for i, line in enumerate(calls.lines())
    )
    run = _RUN.format(
        entry=ENTRY, calls=lines, image=program.image.size, scores=program.scores.size
    )
    return calls.text() + run
