"""A mean image from a .binaryproto is subtracted as that of the training samples is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sparsenet.caffe.wire import CaffeError
from sparsenet.data.options import DataOptions
from sparsenet.data.phases import open_phase, open_phases
from sparsenet.data.raw import DataError
from sparsenet.data.records import Records
from tests.data.lmdbs import SHAPE, pictures, raw, write_lmdb, write_mean

IMAGES = pictures(7)
MEAN = IMAGES.astype(np.float64).mean(0).astype(np.float32)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_lmdb(tmp_path / "set", map(raw, IMAGES))
    write_mean(tmp_path / "mean.binaryproto", MEAN)
    return tmp_path


def layer(root: Path, transform: dict[str, Any], **given: Any) -> DataOptions:
    keys = {"source": "lmdb", "root": str(root), "folder": "set", "shape": list(SHAPE)}
    return DataOptions.model_validate(keys | {"batch_size": 3, "transform": transform} | given)


@pytest.mark.parametrize("memory", ["yes", "no"])
@pytest.mark.parametrize(
    "transform",
    [{}, {"crop_size": 4, "mirror": True, "pad": 1, "scale": 0.5, "std": [2.0, 3.0, 4.0]}],
)
def test_it_is_cropped_and_mirrored_with_the_image(
    root: Path, transform: dict[str, Any], memory: str
) -> None:
    read, computed = (
        open_phases(
            dict.fromkeys(
                ("TRAIN", "TEST"), layer(root, transform | mean, memory=memory, workers=w)
            ),
            seed=3,
        )
        for mean in ({"mean_file": "mean.binaryproto"}, {"mean": "train"})
        for w in [None if memory == "yes" else 0]
    )
    for phase, batches in read.items():
        assert torch.equal(batches.mean_image, torch.from_numpy(MEAN))
        for step in (0, 1, 2, 5):
            for one, other in zip(batches.batch(step), computed[phase].batch(step), strict=True):
                assert torch.equal(one, other)
    [first, *_] = read["TEST"].sweep()
    factor = torch.tensor(transform.get("scale", 1)) / torch.tensor(transform.get("std", [1.0]))
    expected = (torch.from_numpy(IMAGES[:3]) - torch.from_numpy(MEAN)) * factor.reshape(-1, 1, 1)
    crop = expected[..., 1:5, 0:4] if transform else expected
    assert torch.allclose(first[0], crop, rtol=1e-6)


def test_it_may_be_anywhere(root: Path) -> None:
    transform = {"mean_file": str(root / "mean.binaryproto")}
    found = open_phase(layer(Path("/"), transform, folder=str(root / "set")), "TEST", 0)
    assert torch.equal(found.mean_image, torch.from_numpy(MEAN))


def test_a_checkpoints_mean_image_needs_no_file(root: Path) -> None:
    given = layer(root, {"mean_file": "no such file"})
    found = open_phase(given, "TEST", 0, torch.device("cpu"), torch.ones(SHAPE))
    assert torch.equal(found.mean_image, torch.ones(SHAPE))


def test_the_training_set_is_not_read_for_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: object) -> None:
        raise AssertionError("an image was read")

    monkeypatch.setattr(Records, "image", read)
    given = layer(root, {"mean_file": "mean.binaryproto"}, memory="no", workers=0)
    assert open_phase(given, "TEST", 0).mean_image is not None


def test_the_mean_of_other_images_is_refused(root: Path) -> None:
    write_mean(root / "mean.binaryproto", MEAN[:, :5])
    with pytest.raises(DataError) as caught:
        open_phase(layer(root, {"mean_file": "mean.binaryproto"}), "TRAIN", 0)
    sizes = "(3, 5, 5), not (3, 6, 5) as the images"
    assert str(caught.value) == f"mean_file: mean.binaryproto: the mean image is {sizes}"


def test_what_is_no_mean_image_is_named(root: Path) -> None:
    with pytest.raises(CaffeError, match=f"^{root}/absent: cannot be read: No such file"):
        open_phase(layer(root, {"mean_file": "absent"}), "TRAIN", 0)
    (root / "absent").write_bytes(b"\xff\xfe\xfd")
    with pytest.raises(CaffeError, match=f"^{root}/absent: ") as caught:
        open_phase(layer(root, {"mean_file": "absent"}), "TRAIN", 0)
    assert caught.value.exit_code == 1
