"""Batches read from files are those of the same images in memory, bit for bit."""

from __future__ import annotations

import signal
import subprocess
import sys
import warnings
from pathlib import Path
from tempfile import gettempdir

import psutil
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from sparsenet.data.decoding import decode
from sparsenet.data.folders import ImageFiles, list_images
from sparsenet.data.memory import InMemory
from sparsenet.data.raw import DataError
from sparsenet.data.transforms import Transform, mean_of
from sparsenet.data.watch import unwatched
from tests.data.image_folder import make_folder, streamed

EXACT = (14, 12)
NO_IMAGE = "not a JPEG, PNG, BMP, PPM, TIFF or WEBP image"
AUGMENTED = {"resize": EXACT, "crop_size": 9, "pad": 2, "mirror": True, "scale": 0.5}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return make_folder(tmp_path_factory.mktemp("stream"))


@pytest.fixture(scope="module")
def files(folder) -> ImageFiles:
    return list_images(folder, train=True)


@pytest.fixture(scope="module")
def decoded(files) -> torch.Tensor:
    return torch.stack([decode(path, True, EXACT) for path in files.paths])


def same(one, other) -> bool:
    return all(
        torch.equal(a, b) and a.stride() == b.stride() for a, b in zip(one, other, strict=True)
    )


def pair(files, decoded, batch_size, workers=0, **options):
    options = {"mean_image": mean_of(decoded), **options}
    memory = InMemory(decoded, files.labels, batch_size, **options)
    return memory, streamed(files, batch_size, workers=workers, **options)


transforms = st.fixed_dictionaries(
    {"resize": st.just(EXACT), "mirror": st.booleans()},
    optional={
        "std": st.sampled_from([(60.0,), (50.0, 60.0, 7.0)]),
        "scale": st.sampled_from([0.5, 1 / 3]),
    },
)
crops = st.fixed_dictionaries({"crop_size": st.integers(1, 12), "pad": st.integers(0, 3)})
means = st.sampled_from([{}, {"mean": "train"}, {"mean_value": (1.0, 2.0, 3.5)}])


@settings(max_examples=40, deadline=None)
@given(
    transforms,
    st.just({}) | crops,
    means,
    st.lists(st.integers(0, 9), min_size=1, max_size=3),
    st.sampled_from([(0, 1), (0, 2), (1, 2), (2, 3)]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([torch.contiguous_format, torch.channels_last]),
)
def test_streamed_batches_are_those_in_memory(
    files, decoded, keys, crop, mean, steps, share, train, shuffle, memory_format
):
    options = {
        "transform": Transform(**keys, **crop, **mean),
        "train": train,
        "shuffle": shuffle,
        "seed": steps[0],
        "share": share,
        "memory_format": memory_format,
    }
    memory, stream = pair(files, decoded, 6, **options)
    assert memory.shape == stream.shape
    assert all(same(memory.batch(step), stream.batch(step)) for step in steps)
    for batches in (None, 3):
        for one, other in zip(memory.sweep(batches), stream.sweep(batches), strict=True):
            assert same(one, other)


@pytest.mark.parametrize("workers", [1, 2])
def test_any_number_of_workers_begins_anywhere_again(files, decoded, workers):
    options = {"transform": Transform(**AUGMENTED, mean="train"), "train": True, "shuffle": True}
    memory, stream = pair(files, decoded, 5, workers, **options)
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    for step in (0, 0, 1, 2, 7, 8, 9, 3, 4):
        assert same(memory.batch(step), stream.batch(step))
        if step in (2, 8):
            next(stream.sweep())  # left unfinished
            assert all(map(same, memory.sweep(), stream.sweep()))
        if step == 8:
            stream.close()
    assert torch.equal(torch.random.get_rng_state(), before)
    stream.close()


@pytest.mark.parametrize("mirror", [False, True])
def test_images_of_mixed_sizes_are_cropped_each_in_its_own_range(files, mirror):
    transform = Transform(resize=13, crop_size=11, mirror=mirror)
    stream = streamed(files, 24, workers=0, transform=transform, train=True)
    whole = [decode(path, True, 13) for path in files.paths]
    assert len({image.shape for image in whole}) > 3
    seen = set()
    for step in range(12):
        for image, crop in zip(whole, stream.batch(step)[0], strict=True):
            places = image.float().unfold(1, 11, 1).unfold(2, 11, 1)
            turned = image.flip(-1).float().unfold(1, 11, 1).unfold(2, 11, 1)
            found = [
                (flipped, *place)
                for flipped, windows in enumerate((places, turned)[: 1 + mirror])
                for place in (windows == crop[:, None, None])
                .all(-1)
                .all(-1)
                .all(0)
                .nonzero()
                .tolist()
            ]
            assert len(found) == 1
            seen.add(found[0])
    widest = max(max(image.shape[1:]) for image in whole) - 11
    assert {flipped for flipped, _, _ in seen} == ({0, 1} if mirror else {0})
    assert max(max(top, left) for _, top, left in seen) == widest
    centres = torch.cat([images for images, _ in stream.sweep()])
    for image, crop in zip(whole, centres, strict=True):
        top, left = (image.shape[1] - 11) // 2, (image.shape[2] - 11) // 2
        assert torch.equal(image[:, top : top + 11, left : left + 11].float(), crop)


def test_the_mean_image_is_that_of_the_images_in_memory(files, decoded):
    stream = streamed(files, 1, workers=0, transform=Transform(resize=EXACT))
    assert torch.equal(stream.mean(unwatched), mean_of(decoded))


def test_grey_images(files):
    stream = streamed(files, 4, is_color=False, workers=0, transform=Transform(resize=EXACT))
    assert stream.shape == (1, *EXACT)
    images, _ = next(stream.sweep())
    assert torch.equal(images[0], decode(files.paths[0], False, EXACT).float())


@pytest.fixture
def damaged(tmp_path) -> ImageFiles:
    """Every second image of the second class, and the last of all, are none."""
    files = list_images(make_folder(tmp_path / "damaged", train=4), train=True)
    for place in (4, 6, 11):
        files.paths[place].write_bytes(b"no image")
    return files


@pytest.mark.parametrize("workers", [0, 1])
def test_a_bad_image_ends_the_training_in_one_line(damaged, workers):
    stream = streamed(damaged, 2, workers=workers, transform=Transform(resize=EXACT))
    batches = stream.sweep()
    next(batches)
    next(batches)
    with pytest.raises(DataError, match=f"^{damaged.paths[4]}: not a JPEG, .* image$"):
        next(batches)
    with pytest.raises(DataError, match=f"^{damaged.paths[6]}: "):
        stream.batch(3)
    stream.close()


def test_the_next_good_image_takes_the_place_of_a_bad_one_and_a_sweep_leaves_it_out(damaged):
    told: list[str] = []
    transform = Transform(resize=EXACT, crop_size=8, mirror=True)
    options = {"transform": transform, "train": True, "shuffle": True}
    stream = streamed(damaged, 12, workers=0, on_bad_image="skip", warn=told.append, **options)
    good = [5 if i == 4 else 7 if i == 6 else 0 if i == 11 else i for i in range(12)]
    paths = tuple(damaged.paths[i] for i in good)
    mended = ImageFiles(paths, damaged.labels[good], damaged.classes)
    expected = streamed(mended, 12, workers=0, **options)
    for step in (3, 0, 3):
        assert same(stream.batch(step), expected.batch(step))
    left = torch.tensor([i for i in range(12) if i not in (4, 6, 11)])
    [(images, labels)] = stream.sweep()
    [(all_images, all_labels)] = expected.sweep()
    assert torch.equal(images, all_images[left])
    assert torch.equal(labels, all_labels[left])
    assert sorted(line.partition(": ")[2] for line in told) == [
        f"{damaged.paths[i]}: {NO_IMAGE}" for i in (4, 6, 11)
    ]
    assert [line[:21] for line in told] == [f"Skipped (bad image {n})" for n in (1, 2, 3)]


def test_a_set_without_any_good_image(damaged):
    for path in damaged.paths:
        path.write_bytes(b"")
    stream = streamed(
        damaged, 2, workers=0, on_bad_image="skip", warn=print, transform=Transform(resize=EXACT)
    )
    for attempt in (lambda: stream.batch(0), lambda: stream.mean(unwatched)):
        with pytest.raises(DataError, match=r"^no image of the set can be read$"):
            attempt()
    assert list(stream.sweep()) == []


def test_an_image_smaller_than_the_crop_is_named(files):
    stream = streamed(files, 2, workers=0, transform=Transform(crop_size=25))
    with pytest.raises(DataError, match=r"0\.jpg: crop_size 25 is larger than the \d+x\d+ image$"):
        stream.batch(0)


def test_what_makes_no_image_of_one_size_is_refused(files):
    with pytest.raises(DataError, match="the shorter side alone"):
        streamed(files, 2, transform=Transform(resize=9))


def test_more_workers_than_processors_are_no_warning(files):
    stream = streamed(files, 4, workers=3, transform=Transform(resize=EXACT))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(torch.cat([labels for _, labels in stream.sweep(2)])) == 8
    stream.close()


def test_a_hangup_of_the_terminal_leaves_the_processes_that_read(files, decoded):
    options = {"transform": Transform(**AUGMENTED, mean="train"), "train": True}
    memory, stream = pair(files, decoded, 5, 1, **options)
    for step in range(2):
        stream.batch(step)
    reading = psutil.Process().children(recursive=True)
    assert any("forkserver" in " ".join(each.cmdline()) for each in reading)
    for each in reading:
        each.send_signal(signal.SIGHUP)
    assert all(same(memory.batch(step), stream.batch(step)) for step in range(2, 9))
    stream.close()


PROGRAM = """
import sys
from pathlib import Path
from sparsenet.data.folders import list_images
from sparsenet.data.listed import listed_files
from sparsenet.data.stream import Stream
from sparsenet.data.transforms import Transform

if __name__ == "__main__":
    files = list_images(Path(sys.argv[1]), train=True)
    transform = Transform(resize=(14, 12))
    listed = listed_files("files", files, transform)
    stream = Stream(listed, 4, workers=1, transform=transform)
    stream.batch(0)
    stream.batch(1)  # the processes begin where one follows another
"""


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            OSError("AF_UNIX path too long"),
            "(AF_UNIX path too long): name a shorter folder in TMPDIR than {}, or use",
        ),
        (
            OSError(11, "Resource temporarily unavailable"),
            "(Resource temporarily unavailable): use",
        ),
    ],
)
def test_processes_that_cannot_be_started(files, monkeypatch, error, words):
    def refuse(_loader):
        raise error

    monkeypatch.setattr(DataLoader, "__iter__", refuse)
    stream = streamed(files, 4, workers=1, transform=Transform(resize=EXACT))
    stream.batch(0)
    with pytest.raises(DataError) as caught:
        stream.batch(1)
    expected = f"cannot start processes that read images {words} workers: 0, which needs none"
    assert str(caught.value) == expected.format(gettempdir())


def test_a_program_ends_though_it_has_not_closed_its_stream(folder, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    command = [sys.executable, str(program), str(folder)]
    ended = subprocess.run(command, capture_output=True, check=False, timeout=120)
    assert (ended.returncode, ended.stderr) == (0, b"")
