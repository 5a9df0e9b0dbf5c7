"""Tiny ImageNet's layout: validation images in one folder, and their classes in a text file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data.test_folders import fault, faults, listed, touch


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


def test_annotations_beside_the_images(tiny: Path) -> None:
    for path in (tiny / "val" / "images").iterdir():
        path.rename(tiny / "val" / path.name)
    (tiny / "val" / "images").rmdir()
    expected = [("val/val_2.JPEG", 0), ("val/val_10.JPEG", 1), ("val/val_0.JPEG", 2)]
    assert listed(tiny, False) == expected


def test_annotations_as_other_programs_write_text(tiny: Path) -> None:
    annotations = tiny / "val" / "val_annotations.txt"
    text = "\r\n".join([*annotations.read_text().splitlines(), "", " ", ""])
    annotations.write_bytes(text.encode("utf-8-sig"))
    assert len(listed(tiny, False)) == 3


GOOD = ("val_0.JPEG\tn03", "val_2.JPEG\tn01")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            (*GOOD, "val_10.JPEG n02"),
            "val_annotations.txt:3: not FILE<tab>CLASS: 'val_10.JPEG n02'",
        ),
        ((*GOOD, "", "val_10.JPEG\tn02"), "val_annotations.txt:3: not FILE<tab>CLASS: ''"),
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


def test_all_broken_annotations_are_told(tiny: Path) -> None:
    annotate(tiny, "val_0.JPEG", "val_2.JPEG\tn12", "val_9.JPEG\tn01")
    assert faults(tiny, False) == [
        "val/val_annotations.txt:1: not FILE<tab>CLASS: 'val_0.JPEG'",
        "val/val_annotations.txt:2: no class 'n12' in train; did you mean 'n02'?",
        "val/val_annotations.txt:3: no image 'val_9.JPEG' in val/images",
    ]
    annotate(tiny, GOOD[1])
    assert faults(tiny, False) == [
        "val/images/val_0.JPEG: not in val/val_annotations.txt",
        "val/images/val_10.JPEG: not in val/val_annotations.txt",
    ]
    annotate(tiny, *(f"{name}\tn02" for name in ("val_0.JPEG", "val_2.JPEG", "val_10.JPEG")))
    assert faults(tiny, False) == [
        "val/val_annotations.txt: no image of the class 'n01'",
        "val/val_annotations.txt: no image of the class 'n03'",
    ]


def test_annotations_that_are_no_text(tiny: Path) -> None:
    (tiny / "val" / "val_annotations.txt").write_bytes(b"\xff\xfe\x00")
    assert fault(tiny, False) == "val/val_annotations.txt: not a text file"
