"""The memory of a convolution, against the last float that its kernel writes and reads."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from sparsenet.config.graph import build_graph
from sparsenet.layers.convolution import Convolution
from sparsenet.program.lower_weighted import WIDEST, convolution_sizes
from sparsenet.program.operation import Sizes
from tests.program.sparse_nets import small
from tests.small import convolution, inner_product


def integers(sizes: Sizes, *names: str) -> list[int]:
    found = [sizes.fields[name] for name in names]
    assert all(isinstance(one, int) for one in found)
    return found  # type: ignore[return-value]


@settings(deadline=None, max_examples=60)
@given(
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    pad=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 2)),
)
def test_vectors_stay_in_the_scratch(
    kernel: tuple[int, int],
    stride: tuple[int, int],
    pad: tuple[int, int],
    dilation: tuple[int, int],
) -> None:
    """A filter's sums are vectors over all that is read; the last begins before the last column."""
    keys = {"kernel_size": kernel, "stride": stride, "pad": pad, "dilation": dilation}
    first = convolution("c", 10, **{name: list(two) for name, two in keys.items()})
    config = small(first, inner_product("ip", 10))
    graph, _ = build_graph(config, "TEST")
    assert graph is not None
    [node] = [one for one in graph.nodes if isinstance(one.layer, Convolution)]
    assert isinstance(node.layer, Convolution)
    sizes, (copy, sums, line) = convolution_sizes(node.layer, node, is_image=True)
    rows, columns, pitch = integers(sizes, "rows", "columns", "pitch")
    channels, plane, copied = integers(sizes, "channels", "plane", "copied")
    taps = sizes.fields["tap"]
    assert isinstance(taps, tuple)
    image = channels * node.in_shapes[0][1] * node.in_shapes[0][2]
    assert line == 0
    assert pitch == columns + max(j * dilation[1] // stride[1] for j in range(kernel[1]))
    for lanes in (1, 4, WIDEST):
        if columns % lanes:
            vectors = ((rows - 1) * pitch + columns + lanes - 1) // lanes
            assert vectors * lanes <= rows * pitch + lanes <= sums
            reached = vectors * lanes
        else:
            reached = (rows - 1) * pitch + columns
        read = (channels - 1) * plane + max(taps) + reached
        assert read <= (copy if copied else image)
