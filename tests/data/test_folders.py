"""A folder of images is listed as torchvision lists it, and what is wrong with it is one line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from sparsenet.data.folders import list_images
from sparsenet.data.raw import DataError


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def listed(root: Path, train: bool) -> list[tuple[str, int]]:
    files = list_images(root, train)
    assert files.labels.dtype == torch.int64
    names = [str(path.relative_to(root)) for path in files.paths]
    return list(zip(names, files.labels.tolist(), strict=True))


def fault(root: Path, train: bool) -> str:
    with pytest.raises(DataError) as caught:
        list_images(root, train)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(f"{root}/", "")


def test_a_folder_a_class(tmp_path: Path) -> None:
    touch(tmp_path, "train/dog/b.JPG", "train/dog/a.png", "train/Cat/x.jpeg", "train/dog/notes.txt")
    touch(tmp_path, "val/Cat/1.webp", "val/dog/2.tiff", "test/other/3.jpg")
    assert listed(tmp_path, True) == [
        ("train/Cat/x.jpeg", 0),
        ("train/dog/a.png", 1),
        ("train/dog/b.JPG", 1),
    ]
    assert listed(tmp_path, False) == [("val/Cat/1.webp", 0), ("val/dog/2.tiff", 1)]
    assert list_images(tmp_path, False).classes == ("Cat", "dog")


def test_test_serves_where_there_is_no_val(tmp_path: Path) -> None:
    touch(tmp_path, "train/a/1.jpg", "test/a/2.jpg")
    assert listed(tmp_path, False) == [("test/a/2.jpg", 0)]


def test_the_order_is_that_of_torchvision(tmp_path: Path) -> None:
    from torchvision.datasets import ImageFolder

    names = ("z.jpg", "10.jpg", "9.jpg", "b/1.jpg", "b/c/0.jpg", "b.d/0.jpg", "a/é.png", "Z.PPM")
    touch(tmp_path, *(f"train/{of}/{name}" for of in ("n02", "n01", "B") for name in names))
    theirs = ImageFolder(str(tmp_path / "train"))
    ours = list_images(tmp_path, True)
    expected = [(Path(path), label) for path, label in theirs.samples]
    assert list(zip(ours.paths, ours.labels.tolist(), strict=True)) == expected
    assert list(ours.classes) == theirs.classes


def test_links_are_followed_and_hidden_files_are_no_images(tmp_path: Path) -> None:
    touch(tmp_path, "elsewhere/1.jpg", "train/a/2.jpg", "train/a/._2.jpg", "train/.cache/3.jpg")
    touch(tmp_path, "train/a/.thumbnails/2.jpg")
    (tmp_path / "train" / "b").symlink_to(tmp_path / "elsewhere")
    assert listed(tmp_path, True) == [("train/a/2.jpg", 0), ("train/b/1.jpg", 1)]


@pytest.mark.parametrize(
    ("names", "train", "expected"),
    [
        ((), True, "train: no such folder; it should hold a folder a class"),
        (("val/a/1.jpg",), False, "train: no such folder; it should hold a folder a class"),
        (("train/1.jpg",), True, "train: holds no folder; it should hold a folder a class"),
        (
            ("train/a/1.jpg", "train/b/1.txt"),
            True,
            "train/b: holds no image (.jpg, .jpeg, .png, .bmp, .ppm, .pgm, .tif, .tiff, .webp)",
        ),
        (
            ("train/a/1.jpg",),
            False,
            "test: no such folder (and no val); it should hold a folder a class",
        ),
        (
            ("train/tabby/1.jpg", "val/Tabby/1.jpg"),
            False,
            "val/Tabby: no such class in train; did you mean 'tabby'?",
        ),
        (
            ("train/a/1.jpg", "train/b/1.jpg", "val/a/1.jpg"),
            False,
            "val: lacks the class 'b' of train",
        ),
    ],
)
def test_what_is_missing(
    names: tuple[str, ...], train: bool, expected: str, tmp_path: Path
) -> None:
    touch(tmp_path, *names)
    assert fault(tmp_path, train).replace(str(tmp_path), "") == expected


@pytest.mark.skipif("os.geteuid() == 0", reason="root reads everything")
def test_a_folder_that_cannot_be_read(tmp_path: Path) -> None:
    touch(tmp_path, "train/a/1.jpg", "train/a/b/2.jpg")
    (tmp_path / "train/a/b").chmod(0)
    try:
        assert fault(tmp_path, True) == "train/a/b: cannot be read: Permission denied"
    finally:
        (tmp_path / "train/a/b").chmod(0o700)


def test_an_error_below_a_class_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "train/a/1.jpg", "train/a/b/2.jpg")
    scandir = os.scandir

    def refusing(path: str) -> object:
        if str(path).endswith("/b"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    assert fault(tmp_path, True) == "train/a/b: cannot be read: Permission denied"


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """The layout of Tiny ImageNet: three images to train on and three to test on."""
    for of in ("n01", "n02", "n03"):
        touch(tmp_path, f"train/{of}/images/{of}_0.JPEG", f"train/{of}/{of}_boxes.txt")
    touch(tmp_path, *(f"val/images/val_{place}.JPEG" for place in (0, 2, 10)))
    touch(tmp_path, "test/images/test_0.JPEG")
    annotate(tmp_path, "val_0.JPEG\tn03", "val_2.JPEG\tn01", "val_10.JPEG\tn02")
    return tmp_path


def annotate(root: Path, *lines: str) -> None:
    text = "".join(f"{line}\t0\t32\t44\t62\n" if "\t" in line else f"{line}\n" for line in lines)
    (root / "val" / "val_annotations.txt").write_text(text)


def test_tiny_imagenet(tiny: Path) -> None:
    assert listed(tiny, True) == [
        (f"train/{of}/images/{of}_0.JPEG", label) for label, of in enumerate(("n01", "n02", "n03"))
    ]
    assert listed(tiny, False) == [
        ("val/images/val_2.JPEG", 0),
        ("val/images/val_10.JPEG", 1),
        ("val/images/val_0.JPEG", 2),
    ]


def test_tiny_imagenet_rearranged_by_class(tiny: Path) -> None:
    for name in (tiny / "val" / "images").iterdir():
        name.unlink()
    (tiny / "val" / "images").rmdir()
    touch(tiny, "val/n01/a.JPEG", "val/n02/b.JPEG", "val/n03/c.JPEG")
    assert [name for name, _ in listed(tiny, False)] == [
        "val/n01/a.JPEG",
        "val/n02/b.JPEG",
        "val/n03/c.JPEG",
    ]


GOOD = ("val_0.JPEG\tn03", "val_2.JPEG\tn01")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            (*GOOD, "val_10.JPEG n02"),
            "val_annotations.txt:3: not FILE<tab>CLASS: 'val_10.JPEG n02'",
        ),
        ((*GOOD, ""), "val_annotations.txt:3: not FILE<tab>CLASS: ''"),
        (
            (*GOOD, "val_10.JPEG\tn12"),
            "val_annotations.txt:3: no class 'n12' in train; did you mean 'n02'?",
        ),
        ((*GOOD, "../x.JPEG\tn02"), "val_annotations.txt:3: no image '../x.JPEG' in val/images"),
        ((*GOOD, GOOD[0]), "val_annotations.txt:3: 'val_0.JPEG' is annotated twice"),
        (GOOD, "images/val_10.JPEG: not in val/val_annotations.txt"),
        ((*GOOD, "val_10.JPEG\tn01"), "val_annotations.txt: no image of the class 'n02'"),
    ],
)
def test_annotations_that_do_not_fit(lines: tuple[str, ...], expected: str, tiny: Path) -> None:
    annotate(tiny, *lines)
    assert fault(tiny, False) == f"val/{expected}"


def test_annotations_that_are_no_text(tiny: Path) -> None:
    (tiny / "val" / "val_annotations.txt").write_bytes(b"\xff\xfe\x00")
    assert fault(tiny, False) == "val/val_annotations.txt: not a text file"
