import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsenet.data.seeding import seeded
from sparsenet.data.windows import Windows, centre
from tests.data.test_transforms import random_images


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 6),
    st.integers(1, 3),
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(0, 3),
    st.booleans(),
    st.integers(0, 99),
    st.data(),
)
def test_windows_are_cut_as_one_by_one(samples, channels, height, width, pad, mirror, seed, data):
    images = random_images(samples, channels, height, width)
    crop = data.draw(st.none() | st.integers(1, min(height, width)))
    windows = Windows(crop, mirror, pad)
    drawn = windows.draw(7, seeded(seed))
    chosen = torch.randint(0, samples, (7,), generator=seeded(seed, 1))
    cut = windows.cut(images, chosen, drawn)
    border = [(0, 0), (0, 0), (0, 0)] if crop is None else [(0, 0), (pad, pad), (pad, pad)]
    for i, (flip, top, left) in enumerate(zip(*windows.place(drawn, height, width), strict=True)):
        image = np.pad(images[chosen[i]].numpy(), border)
        image = image[..., ::-1] if flip else image
        high, wide = crop or height, crop or width
        assert np.array_equal(cut[i].numpy(), image[:, top : top + high, left : left + wide])
        assert torch.equal(windows.cut_one(images[chosen[i]], drawn[:, i]), cut[i])
    assert mirror or not drawn[0].any()


def test_windows_are_drawn_evenly_in_images_of_all_sizes():
    windows = Windows(4, mirror=True, pad=1)
    drawn = windows.draw(30_000, seeded(0))
    for height, width in ((6, 5), (4, 9)):
        mirrored, top, left = windows.place(drawn, height, width)
        for placed, values in ((mirrored, 2), (top, height - 1), (left, width - 1)):
            counts = torch.bincount(placed)
            assert len(counts) == values
            # Five standard deviations of a binomial.
            assert (counts - 30_000 / values).abs().max() < 5 * (30_000 / 4) ** 0.5


def test_the_extreme_draws_are_the_first_and_the_last_place():
    drawn = torch.tensor([[0, 0], [0, 2**32 - 1], [0, 2**32 - 1]])
    for side in (4, 7, 10**6):
        _, top, left = Windows(4).place(drawn, side, side)
        assert top.tolist() == left.tolist() == [0, side - 4]


@given(st.integers(1, 12), st.integers(1, 12), st.data())
def test_the_centre_is_caffes(height, width, data):
    images = random_images(2, 1, height, width)
    crop = data.draw(st.integers(1, min(height, width)))
    top, left = (height - crop) // 2, (width - crop) // 2
    assert torch.equal(centre(images, crop), images[:, :, top : top + crop, left : left + crop])
    assert centre(images, None) is images
