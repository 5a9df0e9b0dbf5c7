"""A program for this machine: C text that takes its weights by pointers."""

from __future__ import annotations

from sparsenet.program.calls import Calls, number_arrays, packed_arrays
from sparsenet.program.operation import Numbers, Packed
from sparsenet.program.plan import Program

ENTRY = "sparsenet_run"
PART_ENTRY = "sparsenet_part"
_ARGUMENTS = """const float *images, float *scores, float *arena,
                  const struct packed *weights, const float *const *numbers"""
_RUN = f"""
int {ENTRY}({_ARGUMENTS}, int total, int first, int last);

int {ENTRY}({_ARGUMENTS}, int total, int first, int last)
{{{{
    int done, count;
    (void)weights;
    (void)numbers;
    for (done = 0; done < total; done += count) {{{{
        count = total - done < GROUP ? total - done : GROUP;
{{calls}}
        images += (size_t)count * {{image}};
        scores += (size_t)count * {{scores}};
    }}}}
    return 0;
}}}}
"""
_PART = f"""
int {PART_ENTRY}({_ARGUMENTS}, int operation, const struct part *part, int end);

int {PART_ENTRY}({_ARGUMENTS}, int operation, const struct part *part, int end)
{{{{
    (void)images;
    (void)scores;
    (void)arena;
{{parts}}
    return 0;
}}}}
"""


def source(program: Program) -> str:
    """The text: it computes operations first..last - 1 of `total` images.

    A second function computes the rows of one fully connected layer from where a part begins to
    `end`, of one image. No weight is in the text, so that it serves all weights of these shapes and
    formats.
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
    parts = "\n".join(
        f"    if (operation == {i})\n        {calls.rows(operation)};"
        for i, operation in enumerate(program.operations)
        if operation.kernel == "multiply"
    )
    sizes = {"image": program.image.size, "scores": program.scores.size}
    text = calls.text() + _RUN.format(calls=lines, **sizes)
    return text + _PART.format(parts=parts) if parts else text
