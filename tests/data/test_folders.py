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
    [line] = faults(root, train)
    return line


def faults(root: Path, train: bool) -> list[str]:
    with pytest.raises(DataError) as caught:
        list_images(root, train)
    return str(caught.value).replace(f"{root}/", "").split("\n")


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
        (("train/1.txt",), True, "train: holds no folder; it should hold a folder a class"),
        (("train",), True, "train: not a folder; it should hold a folder a class"),
        (
            ("train/1.jpg", "train/2.png", "train/2.txt", "train/.3.jpg"),
            True,
            "train: 2 images lie in train itself: sort them into a folder a class",
        ),
        (
            ("train/a/1.jpg", "val/1.jpg", "val/2.jpg"),
            False,
            "val: 2 images lie in val itself: sort them into a folder a class, or name each one's"
            " class in val/val_annotations.txt (FILE<tab>CLASS)",
        ),
        (
            ("train/a/1.jpg", "val/images/1.jpg"),
            False,
            "val/val_annotations.txt: no such file; it should name the class of each image in"
            " val/images (FILE<tab>CLASS)",
        ),
        (
            ("train/a/1.jpg", "val", "test/a/1.jpg"),
            False,
            "val: not a folder; it should hold a folder a class",
        ),
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


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    words = "no such folder: say with root and folder, or SPARSENET_DATA, where it is"
    assert faults(tmp_path / "none", True) == [f"{tmp_path / 'none'}: {words}"]


def test_all_that_is_wrong_is_told(tmp_path: Path) -> None:
    touch(tmp_path, *(f"train/{of}/1.jpg" for of in ("a", "b", "tabby")), "train/c/1.txt")
    touch(tmp_path, "train/d\nd/1.txt", "val/a/1.jpg", "val/Tabby/1.jpg", "val/c/1.txt")
    none = "holds no image (.jpg, .jpeg, .png, .bmp, .ppm, .pgm, .tif, .tiff, .webp)"
    assert faults(tmp_path, True) == [f"train/c: {none}", rf"train/d\nd: {none}"]
    assert faults(tmp_path, False) == [
        "val/Tabby: no such class in train; did you mean 'tabby'?",
        "val: lacks the class 'b' of train",
        f"val/c: {none}",
        r"val: lacks the class 'd\nd' of train",
        "val: lacks the class 'tabby' of train",
    ]


def test_of_many_faults_the_first_are_told(tmp_path: Path) -> None:
    touch(tmp_path, "train/a/1.jpg", "val/a/1.jpg", *(f"val/{of:04}/1.jpg" for of in range(1234)))
    told = faults(tmp_path, False)
    assert len(told) == 21
    assert told[19:] == ["val/0019: no such class in train", "and 1,214 more"]


def test_a_folder_is_listed_once_whatever_leads_to_it(tmp_path: Path) -> None:
    touch(tmp_path, "elsewhere/1.jpg", "train/a/2.jpg", "train/a/y/3.jpg", "train/b/4.jpg")
    for link, target in (
        ("train/a/itself", "train/a"),
        ("train/a/y/all", "train"),
        ("train/a/z", "elsewhere"),
        ("train/a/x", "elsewhere"),
        ("elsewhere/back", "elsewhere"),
    ):
        (tmp_path / link).symlink_to(tmp_path / target)
    assert listed(tmp_path, True) == [
        ("train/a/2.jpg", 0),
        ("train/a/x/1.jpg", 0),
        ("train/a/y/3.jpg", 0),
        ("train/b/4.jpg", 1),
    ]


def test_only_files_are_images_and_links_that_may_have_led_to_one(tmp_path: Path) -> None:
    touch(tmp_path, "train/a/1.jpg", "train/a/2.jpg/3.jpg")
    os.mkfifo(tmp_path / "train/a/4.jpg")
    (tmp_path / "train/a/5.jpg").symlink_to("4.jpg")
    (tmp_path / "train/a/6.jpg").symlink_to("none")
    names = [name for name, _ in listed(tmp_path, True)]
    assert names == ["train/a/1.jpg", "train/a/6.jpg", "train/a/2.jpg/3.jpg"]


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
