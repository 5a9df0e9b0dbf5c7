import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsenet.data.memory import InMemory
from sparsenet.data.raw import DataError
from sparsenet.data.transforms import Transform, mean_of

SIDE = 9


def telling_images(samples: int) -> torch.Tensor:
    """Images of which every pixel tells its sample (channel 0), row and column (1 and 2)."""
    images = torch.empty(samples, 3, SIDE, SIDE, dtype=torch.uint8)
    images[:, 0] = torch.arange(samples, dtype=torch.uint8)[:, None, None]
    images[:, 1] = torch.arange(SIDE, dtype=torch.uint8)[:, None]
    images[:, 2] = torch.arange(SIDE, dtype=torch.uint8)
    return images


def telling(samples: int, batch_size: int, **options) -> InMemory:
    return InMemory(telling_images(samples), torch.arange(samples), batch_size, **options)


def same(first, second) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


AUGMENTED = {"transform": Transform(crop_size=4, mirror=True), "train": True, "shuffle": True}


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.integers(1, 60), st.integers(0, 9), st.data())
def test_a_batch_is_a_pure_function_of_seed_and_step(samples, batch_size, seed, data):
    steps = data.draw(st.lists(st.integers(0, 12), max_size=8))
    one = telling(samples, batch_size, seed=seed, **AUGMENTED)
    in_order = [one.batch(step) for step in range(13)]
    other = telling(samples, batch_size, seed=seed, **AUGMENTED)
    torch.manual_seed(0)
    assert all(same(other.batch(step), in_order[step]) for step in steps)
    list(other.sweep())
    assert all(same(other.batch(step), in_order[step]) for step in reversed(steps))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 90), st.booleans())
def test_every_sample_comes_once_in_an_epoch_and_batches_straddle(samples, batch_size, shuffle):
    batches = telling(samples, batch_size, train=True, shuffle=shuffle)
    steps = 3 * samples // batch_size + 1
    labels = torch.cat([batches.batch(step)[1] for step in range(steps)])
    assert len(labels) == steps * batch_size >= 3 * samples
    epochs = labels[: 3 * samples].view(3, samples)
    assert torch.equal(epochs.sort(1).values, torch.arange(samples).expand(3, -1))
    if not shuffle:
        assert torch.equal(epochs, torch.arange(samples).expand(3, -1))


def test_epochs_and_seeds_have_orders_of_their_own():
    labels = [
        telling(50, 50, train=True, shuffle=True, seed=seed).batch(step)[1]
        for seed in range(4)
        for step in range(4)
    ]
    assert len({tuple(order.tolist()) for order in labels}) == 16


def test_the_orders_are_uniform():
    batches = telling(5, 5, train=True, shuffle=True)
    counts = torch.zeros(5, 5)
    for step in range(3000):
        counts[torch.arange(5), batches.batch(step)[1]] += 1
    # Binomial(3000, 1/5): standard deviation 21.9.
    assert (counts - 600).abs().max() < 110


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_the_shares_of_the_processes_are_the_whole(size):
    keys = {"transform": Transform(crop_size=4, mirror=True, pad=1), "train": True, "seed": 3}
    whole = telling(20, 30, shuffle=True, **keys)
    shares = [telling(20, 30, shuffle=True, share=(r, size), **keys) for r in range(size)]
    for step in range(3):
        parts = [share.batch(step) for share in shares]
        assert all(len(labels) == 30 // size for _, labels in parts)
        assert same((torch.cat(column) for column in zip(*parts, strict=True)), whole.batch(step))
    tested = [telling(20, 3, share=(r, size)) for r in range(size)]
    assert all(same(share.batch(2), telling(20, 3).batch(2)) for share in tested)
    for batches in (None, 1, 9):
        swept = [list(share.sweep(batches)) for share in tested]
        in_turn = [part[i] for i in range(9) for part in swept if i < len(part)]
        expected = list(telling(20, 3).sweep(batches))
        assert len(in_turn) == len(expected)
        assert all(map(same, in_turn, expected))


def test_padding_is_black_and_moves_the_image():
    batches = telling(30, 3000, transform=Transform(crop_size=SIDE, pad=2), train=True)
    images, labels = batches.batch(0)
    padded = torch.nn.functional.pad(telling_images(30), [2] * 4).float()
    places = padded.unfold(2, SIDE, 1).unfold(3, SIDE, 1)[labels]
    found = (places == images[:, :, None, None]).all(-1).all(-1).all(1)
    assert found.flatten(1).any(1).all()
    assert found.any(0).all()  # all 25 places occur
    assert torch.equal(next(batches.sweep())[0], telling_images(30).float())


def test_std_divides_after_the_mean():
    mean = torch.rand(3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    transform = Transform(mean="train", scale=0.5, std=(3.0, 4.0, 7.0))
    images, _ = next(telling(30, 30, transform=transform, mean_image=mean).sweep())
    factors = (0.5 / torch.tensor([3.0, 4, 7], dtype=torch.float64)).float().view(3, 1, 1)
    assert torch.equal(images, (telling_images(30) - mean) * factors)


def test_the_number_of_the_epoch():
    batches = telling(40, 16)
    assert len(batches) == 40
    assert [batches.epoch(step) for step in (0, 1, 5)] == [0, 0.4, 2]


def reference(images, batch, transform, mean):
    """NumPy, sample by sample, at the offsets that the pixels themselves tell of."""
    expected = []
    for pixels in batch:
        sample = int(pixels[0, 0, 0])
        top = int(pixels[1, 0, 0])
        row = pixels[2, 0].astype(int)
        flip = len(row) > 1 and row[1] < row[0]
        left = int(row.min())
        size = transform.crop_size or SIDE
        window = np.s_[:, top : top + size, left : left + size]
        value = (images[sample][window].astype(np.float32) - mean[window]) * transform.scale
        expected.append(value[..., ::-1] if flip else value)
    return np.stack(expected).astype(np.float32)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("crop_size", [None, 1, 4, SIDE])
@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("kind", ["none", "value", "channels", "image"])
def test_transforms_agree_with_a_reference_of_single_samples(
    crop_size, mirror, kind, memory_format
):
    images = telling_images(30)
    image = torch.rand(3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)) * 200
    options, mean = {
        "none": ({}, torch.zeros(1, 1, 1)),
        "value": ({"mean_value": (12.5,)}, torch.full((1, 1, 1), 12.5)),
        "channels": ({"mean_value": (1.0, 2.0, 3.5)}, torch.tensor([1, 2, 3.5]).view(3, 1, 1)),
        "image": ({"mean": "train"}, image),
    }[kind]
    mean = mean.expand(3, SIDE, SIDE).numpy()
    shape = {"crop_size": crop_size, "mirror": mirror}
    transform = Transform(scale=0.125, **shape, **options)
    common = {"train": True, "shuffle": True, "seed": 3, "memory_format": memory_format}
    told = telling(30, 20, transform=Transform(**shape), **common)
    batches = telling(30, 20, transform=transform, mean_image=image, **common)
    for step in range(4):
        decoded = told.batch(step)[0].numpy().astype(np.uint8)
        pixels, labels = batches.batch(step)
        assert pixels.dtype == torch.float32
        assert labels.dtype == torch.int64
        assert pixels.is_contiguous(memory_format=memory_format)
        assert torch.equal(labels, torch.from_numpy(decoded[:, 0, 0, 0]).long())
        expected = reference(images.numpy(), decoded, transform, mean)
        assert np.array_equal(pixels.numpy(), expected)
        assert tuple(pixels.shape[1:]) == batches.shape


def test_windows_vary_in_training_and_are_those_of_the_centre_elsewhere():
    options = {"transform": Transform(crop_size=4, mirror=True)}
    batches = telling(30, 3000, train=True, **options)
    images, _ = batches.batch(0)
    corners = {tuple(image[1:, 0, 0].int().tolist()) for image in images}
    # Six tops; six lefts, which a mirrored window has in its last column, at least three from 0.
    assert len(corners) == 6 * 9
    for train in (False, True):
        tested = telling(30, 30, train=train, **options)
        pixels, _ = next(tested.sweep())
        assert torch.equal(pixels, telling_images(30)[:, :, 2:6, 2:6].float())
    fixed = telling(30, 30, **options)
    assert torch.equal(fixed.batch(0)[0], telling_images(30)[:, :, 2:6, 2:6].float())


def test_the_mean_image_is_cropped_like_the_centre():
    mean = mean_of(telling_images(30)) + torch.rand(3, SIDE, SIDE)
    transform = Transform(mean="train", crop_size=4)
    for train in (True, False):
        batches = telling(30, 30, transform=transform, mean_image=mean, train=train)
        expected = (telling_images(30).float() - mean)[:, :, 2:6, 2:6]
        assert torch.equal(next(batches.sweep())[0], expected)
        assert torch.equal(batches.mean_image, mean)


@given(st.integers(1, 40), st.integers(1, 50))
@settings(max_examples=30, deadline=None)
def test_a_sweep_is_the_set_once_in_order(samples, batch_size):
    batches = telling(samples, batch_size, train=True, shuffle=True)
    labels = [labels for _, labels in batches.sweep()]
    assert torch.equal(torch.cat(labels), torch.arange(samples))
    assert all(len(part) == batch_size for part in labels[:-1])
    assert len(labels) == -(-samples // batch_size)


def test_a_sweep_of_so_many_batches_wraps_and_begins_anew():
    batches = telling(10, 4)
    for _ in range(2):
        labels = [labels.tolist() for _, labels in batches.sweep(4)]
        assert labels == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 1], [2, 3, 4, 5]]
        assert [labels.tolist() for _, labels in batches.sweep(1)] == [[0, 1, 2, 3]]
    for (images, labels), step in zip(batches.sweep(3), range(3), strict=True):
        assert same((images, labels), batches.batch(step))


def test_what_is_returned_is_the_callers_own():
    batches = telling(10, 10)
    images, labels = batches.batch(0)
    images.zero_()
    labels.zero_()
    assert torch.equal(batches.batch(0)[0], telling_images(10).float())
    assert torch.equal(batches.batch(0)[1], torch.arange(10))


def test_batches_made_in_inference_mode_serve_training():
    batches = telling(10, 4, transform=Transform(mean_value=(3.0,)), train=True, shuffle=True)
    with torch.inference_mode():
        list(batches.sweep())
        batches.batch(0)
    images, _ = batches.batch(0)
    weight = torch.ones(3, 1, 1, requires_grad=True)
    (images * weight).sum().backward()
    assert torch.equal(weight.grad.view(-1), images.sum((0, 2, 3)))


def test_a_mean_image_of_another_size():
    with pytest.raises(DataError) as caught:
        telling(4, 4, transform=Transform(mean="train"), mean_image=torch.zeros(1, 8, 8))
    assert (
        str(caught.value) == "mean: train: the mean image is (1, 8, 8), not (3, 9, 9) as the images"
    )


def test_a_crop_that_does_not_fit():
    with pytest.raises(DataError) as caught:
        telling(4, 4, transform=Transform(crop_size=10))
    assert str(caught.value) == "crop_size 10 is larger than the 9x9 images"


def test_a_mean_image_without_mean_is_ignored():
    batches = telling(4, 4, mean_image=torch.zeros(1, 8, 8))
    assert batches.mean_image is None


@pytest.mark.skipif("not torch.cuda.is_available()", reason="no CUDA device")
def test_a_gpu_draws_the_same_batches():
    mean = mean_of(telling_images(30))
    options = {
        "transform": Transform(crop_size=4, mirror=True, mean="train", scale=0.1),
        "mean_image": mean,
        "train": True,
        "shuffle": True,
    }
    cpu, gpu = telling(30, 20, **options), telling(30, 20, device="cuda", **options)
    for step in range(4):
        images, labels = gpu.batch(step)
        assert images.is_cuda
        assert same((images.cpu(), labels.cpu()), cpu.batch(step))
    for one, other in zip(cpu.sweep(2), gpu.sweep(2), strict=True):
        assert same(one, [tensor.cpu() for tensor in other])
