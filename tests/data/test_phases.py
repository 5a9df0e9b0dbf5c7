import pytest
import torch

from sparsenet.data import sets, sources
from sparsenet.data.options import DataOptions
from sparsenet.data.phases import open_phase, open_phases
from sparsenet.data.raw import DataError
from sparsenet.data.sources import Source, load_source
from sparsenet.data.splits import hold_out, resample, sample
from sparsenet.data.transforms import Transform, mean_of


def options(**given) -> DataOptions:
    return DataOptions.model_validate({"source": "digits", "batch_size": 32, **given})


def everything(batches) -> tuple[torch.Tensor, torch.Tensor]:
    parts = list(batches.sweep())
    return torch.cat([images for images, _ in parts]), torch.cat([labels for _, labels in parts])


@pytest.fixture(scope="module")
def digits():
    return {train: load_source("digits", None, train, False) for train in (True, False)}


def test_the_phases_are_the_parts_of_the_source(digits):
    layer = options(split=200, split_seed=3, subset="50%", subset_seed=4)
    opened = open_phases({"TRAIN": layer, "VAL": layer, "TEST": layer}, seed=0)
    assert {phase: len(batches) for phase, batches in opened.items()} == {
        "TRAIN": 618,
        "VAL": 200,
        "TEST": 360,
    }
    whole = digits[True]
    rest, held = hold_out(whole.labels, 200, 3)
    used = rest[sample(whole.labels[rest], "50%", 4)]
    for phase, raw, chosen in (("TRAIN", whole, used), ("VAL", whole, held)):
        images, labels = everything(opened[phase])
        assert torch.equal(images, raw.images[chosen].float())
        assert torch.equal(labels, raw.labels[chosen])
    images, labels = everything(opened["TEST"])
    assert torch.equal(images, digits[False].images.float())
    assert torch.equal(labels, digits[False].labels)


def test_validation_exists_only_with_a_split():
    layer = options()
    assert set(open_phases({"TRAIN": layer, "VAL": layer, "TEST": layer}, 0)) == {"TRAIN", "TEST"}
    assert open_phase(layer, "VAL", 0) is None


def test_validation_does_not_depend_on_the_subset_or_the_run_seed():
    first = open_phase(options(split="10%"), "VAL", seed=0)
    second = open_phase(options(split="10%", subset=100), "VAL", seed=1)
    assert torch.equal(everything(first)[0], everything(second)[0])


def test_only_training_is_shuffled():
    layer = options(split=100)
    opened = open_phases({"TRAIN": layer, "VAL": layer, "TEST": layer}, seed=0)
    for phase, batches in opened.items():
        in_order = next(batches.sweep())[1]
        assert torch.equal(batches.batch(0)[1], in_order) == (phase != "TRAIN")
    kept = open_phase(options(shuffle=False), "TRAIN", seed=0)
    assert torch.equal(kept.batch(0)[1], next(kept.sweep())[1])
    seeds = [open_phase(layer, "TRAIN", seed=seed).batch(0)[1].tolist() for seed in (0, 0, 1)]
    assert seeds[0] == seeds[1] != seeds[2]


def test_a_bootstrap_is_drawn_with_replacement_from_what_is_left(digits):
    layer = options(split=200, subset=400, transform={"mean": "train"})
    layers = {"TRAIN": layer, "VAL": layer, "TEST": layer}
    rest, _ = hold_out(digits[True].labels, 200, 0)
    used = rest[sample(digits[True].labels[rest], 400, 0)]
    plain = open_phases(layers, seed=0)
    mean = mean_of(digits[True].images[used])
    distinct = []
    for seed in range(8):
        again = layer.model_copy(update={"bootstrap": seed})
        opened = open_phases(dict.fromkeys(layers, again), seed=seed)
        drawn = used[resample(400, seed)]
        images, labels = everything(opened["TRAIN"])
        assert torch.equal(opened["TRAIN"].mean_image, mean)
        assert torch.equal(opened["TEST"].mean_image, mean)
        assert torch.equal(images, digits[True].images[drawn].float() - mean)
        assert torch.equal(labels, digits[True].labels[drawn])
        for phase in ("VAL", "TEST"):
            assert torch.equal(everything(opened[phase])[1], everything(plain[phase])[1])
        distinct.append(len(drawn.unique()))
    # 400 (1 - 1/e) = 252.8 of each, with a standard deviation of 6.2.
    assert abs(sum(distinct) / 8 - 252.8) < 5 * 6.2 / 8**0.5
    assert len(set(distinct)) > 1


def test_files_are_read_once(monkeypatch):
    reads = []

    def counting(name, root, train, download):
        reads.append(train)
        return load_source(name, root, train, download)

    monkeypatch.setattr(sets, "load_source", counting)
    layer = options(split=100, transform={"mean": "train"})
    open_phases({"TEST": layer, "VAL": layer, "TRAIN": layer}, seed=0)
    assert sorted(reads) == [False, True]
    reads.clear()
    open_phase(layer, "TEST", 0, mean_image=torch.zeros(1, 8, 8))
    assert reads == [False]
    open_phase(layer, "TEST", 0)
    assert reads == [False, False, True]


def test_the_mean_image_is_that_of_the_samples_trained_on(digits):
    layer = options(split=200, subset="25%", transform={"mean": "train", "resize": 28})
    opened = open_phases({"TRAIN": layer, "VAL": layer, "TEST": layer}, seed=0)
    rest, _ = hold_out(digits[True].labels, 200, 0)
    used = rest[sample(digits[True].labels[rest], "25%", 0)]
    resize = Transform(resize=28)
    expected = mean_of(resize.resized(digits[True].images[used]))
    for batches in (*opened.values(), open_phase(layer, "TEST", 0), open_phase(layer, "VAL", 0)):
        assert torch.equal(batches.mean_image, expected)
    images, _ = everything(opened["TEST"])
    assert torch.equal(images, resize.resized(digits[False].images).float() - expected)


def test_a_test_layer_of_its_own_subtracts_the_training_layers_mean():
    training = options(subset=100, transform={"mean": "train"})
    tested = options(batch_size=50, transform={"mean": "train"})
    opened = open_phases({"TEST": tested, "TRAIN": training}, seed=0)
    assert torch.equal(opened["TEST"].mean_image, opened["TRAIN"].mean_image)
    alone = open_phase(tested, "TEST", 0, training=training)
    assert torch.equal(alone.mean_image, opened["TRAIN"].mean_image)
    plain = open_phases({"TEST": tested, "TRAIN": options(subset=100)}, seed=0)
    assert torch.equal(plain["TEST"].mean_image, opened["TRAIN"].mean_image)
    assert plain["TRAIN"].mean_image is None


def test_a_checkpoints_mean_image_comes_before_the_training_sets():
    mean = torch.rand(1, 8, 8)
    layer = options(transform={"mean": "train"})
    opened = open_phases({"TRAIN": layer, "TEST": layer}, 0, mean_image=mean)
    assert all(torch.equal(batches.mean_image, mean) for batches in opened.values())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"split": 90}, "few: split: 90 is more than the 80 samples there are"),
        ({"split": 80}, "few: split: 80 takes all 80 samples, which leaves none to train on"),
        (
            {"split": 70, "subset": 20},
            "few: subset: 20 is more than the 10 samples there are",
        ),
    ],
)
def test_files_that_hold_fewer_samples_than_they_should(monkeypatch, given, message):
    part = torch.zeros(80, 1, 8, 8, dtype=torch.uint8), torch.zeros(80, dtype=torch.int64)
    monkeypatch.setitem(sources.SOURCES, "few", Source((1, 8, 8), 10, 99, 9, lambda *_: part))
    with pytest.raises(DataError) as caught:
        open_phase(options(source="few", **given), "TRAIN", 0)
    assert str(caught.value) == message


def test_the_root_is_handed_to_the_source(tmp_path):
    with pytest.raises(DataError, match=str(tmp_path)):
        open_phase(options(source="MNIST", root=str(tmp_path), download=False), "TEST", 0)


def test_the_memory_format_reaches_the_batches():
    layer = options(source="digits", transform={"resize": 12})
    batches = open_phase(layer, "TRAIN", 0, memory_format=torch.channels_last)
    assert batches.batch(0)[0].is_contiguous(memory_format=torch.channels_last)
