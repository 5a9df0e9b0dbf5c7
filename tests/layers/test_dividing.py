"""Slice, Split and ChannelShuffle against loops over channels, and their messages."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sparsenet.layers.base import ShapeError
from sparsenet.layers.dividing import ChannelShuffle, Slice, Split


def run(layer, array):
    bottoms = (array.shape[1:],)
    made = layer.build(bottoms, torch.Generator())(torch.tensor(array))
    tops = [top.numpy() for top in (made if isinstance(made, tuple) else (made,))]
    assert list(layer.output_shapes(bottoms)) == [top.shape[1:] for top in tops]
    return tops


def numbered(channels, *rest):
    return np.arange(2 * channels * int(np.prod(rest)), dtype=float).reshape(2, channels, *rest)


@given(parts=st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_slice_takes_the_channels_between_its_points(parts):
    array = numbered(sum(parts), 2, 3)
    points = [sum(parts[:i]) for i in range(1, len(parts))]
    names = [f"top{i}" for i in range(len(parts))]
    tops = run(Slice(name="s", top=names, slice_point=points or None), array)
    seen = 0
    for top, count in zip(tops, parts, strict=True):
        for channel in range(count):
            assert (top[:, channel] == array[:, seen + channel]).all()
        seen += count
    assert (np.concatenate(tops, axis=1) == array).all()


def test_one_point_needs_no_list():
    assert Slice(name="s", top=["a", "b"], slice_point=4) == Slice(
        name="s", top=["a", "b"], slice_point=[4]
    )


def test_slices_are_of_equal_size_where_no_points_are_given():
    tops = run(Slice(name="s", top=["a", "b", "c"]), numbered(6))
    assert [top.tolist() for top in tops] == [
        [[0, 1], [6, 7]],
        [[2, 3], [8, 9]],
        [[4, 5], [10, 11]],
    ]


def test_a_slice_of_one_top_is_the_blob():
    array = numbered(3, 2, 2)
    (top,) = run(Slice(name="s"), array)
    assert (top == array).all()


@pytest.mark.parametrize("names", [["a"], ["a", "b", "c"]])
def test_split_gives_the_blob_to_each_top_and_sums_their_gradients(names):
    blob = torch.randn(2, 3, requires_grad=True)
    layer = Split(name="s", top=names)
    assert layer.output_shapes(((3,),)) == ((3,),) * len(names)
    made = layer.build(((3,),), torch.Generator())(blob)
    tops = made if isinstance(made, tuple) else (made,)
    sum((i + 1) * top for i, top in enumerate(tops)).sum().backward()
    assert [torch.equal(top, blob) for top in tops] == [True] * len(names)
    assert torch.equal(blob.grad, torch.full((2, 3), float(sum(range(len(names) + 1)))))


@given(group=st.integers(1, 4), each=st.integers(1, 4), last=st.booleans())
def test_channels_of_the_groups_come_in_turn(group, each, last):
    array = numbered(group * each, 2, 3)
    images = torch.tensor(array)
    if last:
        images = images.contiguous(memory_format=torch.channels_last)
    layer = ChannelShuffle(name="s", group=group)
    top = layer.build((array.shape[1:],), torch.Generator())(images).numpy()
    order = [i * each + j for j in range(each) for i in range(group)]
    assert top.shape == array.shape
    for place, channel in enumerate(order):
        assert (top[:, place] == array[:, channel]).all()


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"top": ["a", "b"], "slice_point": []}, "should have at least 1 item"),
        ({"slice_point": [2]}, r"\[2\] must have one number less than the 1 top"),
        ({"top": ["a", "b"], "slice_point": [0]}, r"\[0\] must increase from above 0"),
        ({"top": ["a", "b", "c"], "slice_point": [2, 2]}, r"\[2, 2\] must increase from above 0"),
    ],
)
def test_points_that_do_not_fit(keys, message):
    with pytest.raises(ValidationError, match=message):
        Slice(name="s", **keys)


@pytest.mark.parametrize(
    ("layer", "bottom", "message"),
    [
        (
            Slice(name="s", top=["a", "b"]),
            (3, 4, 4),
            "Slice's 2 tops must divide the 3 channels of its bottom, (3, 4, 4); or give "
            "slice_point",
        ),
        (
            Slice(name="s", top=["a", "b"], slice_point=[3]),
            (3, 4, 4),
            "Slice's slice_point, 3, must be less than the 3 channels of its bottom, (3, 4, 4)",
        ),
        (
            Slice(name="s", top=["a", "b"]),
            (),
            "Slice needs features or an image, not one value an example",
        ),
        (
            ChannelShuffle(name="s", group=4),
            (6, 2, 2),
            "ChannelShuffle's group, 4, must divide the 6 channels of its bottom, (6, 2, 2)",
        ),
        (
            ChannelShuffle(name="s", group=2),
            (6,),
            "ChannelShuffle needs channels, height and width, not (6,)",
        ),
    ],
)
def test_shapes_that_do_not_fit(layer, bottom, message):
    with pytest.raises(ShapeError) as error:
        layer.output_shapes((bottom,))
    assert str(error.value) == message
