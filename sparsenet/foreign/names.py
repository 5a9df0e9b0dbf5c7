"""What the layers of torchvision's nets are called here, and those of any other file.

A file is known by its layers alone: the one map that has a name for every one of them is taken, if
it changes any. Headless nets are known too, and a map serves a whole family where its names follow
one pattern.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_BLOBS = {"running_mean": "mean", "running_var": "variance"}
"""torch's names of what BatchNormScale calls otherwise; all other names of blobs are the same."""


@dataclass(frozen=True)
class NameMap:
    """The layers of a net `of`: the pattern of each name there, and the name here."""

    of: str
    rules: Mapping[str, str]

    def layer(self, name: str) -> str | None:
        """The name here; None where this net has no such layer."""
        for pattern, ours in self.rules.items():
            if found := re.fullmatch(pattern, name):
                return found.expand(ours)
        return None

    def layers(self, names: Iterable[str]) -> dict[str, str] | None:
        """The names here of all of them; None where one has none."""
        mapped = {name: self.layer(name) for name in names}
        known = {name: ours for name, ours in mapped.items() if ours is not None}
        return known if len(known) == len(mapped) else None


def _listed(of: str, names: str) -> NameMap:
    """From pairs `theirs:ours` of whole names."""
    pairs = (pair.split(":") for pair in names.split())
    return NameMap(of, {re.escape(theirs): ours for theirs, ours in pairs})


def _mobilenet_v2() -> dict[str, str]:
    """Its blocks are counted through there, and by stage here: their lengths are the paper's."""
    rules = {
        r"features\.0\.0": "stem",
        r"features\.0\.1": "stem_bn",
        r"features\.18\.0": "head",
        r"features\.18\.1": "head_bn",
        r"classifier\.1": "fc",
    }
    stages = enumerate((1, 2, 3, 4, 3, 3, 1), start=1)
    blocks = [f"stage{stage}/{place}" for stage, length in stages for place in range(length)]
    for number, block in enumerate(blocks, start=1):
        parts = ["expand", "depthwise", "project"][number == 1 :]  # the first does not expand
        for place, part in enumerate(parts):
            within = rf"features\.{number}\.conv\.{place}"
            conv, bn = rf"{within}\.0", rf"{within}\.1"
            if part == "project":
                conv, bn = within, rf"features\.{number}\.conv\.{place + 1}"
            rules |= {conv: f"{block}/{part}", bn: f"{block}/{part}_bn"}
    return rules


MAPS = (
    _listed(
        "AlexNet",
        "features.0:conv1 features.3:conv2 features.6:conv3 features.8:conv4 features.10:conv5 "
        "classifier.1:fc6 classifier.4:fc7 classifier.6:fc8",
    ),
    _listed(
        "VGG16",
        "features.0:conv1_1 features.2:conv1_2 features.5:conv2_1 features.7:conv2_2 "
        "features.10:conv3_1 features.12:conv3_2 features.14:conv3_3 "
        "features.17:conv4_1 features.19:conv4_2 features.21:conv4_3 "
        "features.24:conv5_1 features.26:conv5_2 features.28:conv5_3 "
        "classifier.0:fc6 classifier.3:fc7 classifier.6:fc8",
    ),
    NameMap(
        "ResNet",
        {
            r"(conv1|bn1|fc)": r"\1",
            r"layer([1-4])\.(\d+)\.((?:conv|bn)[123])": r"layer\1/\2/\3",
            r"layer([1-4])\.(\d+)\.downsample\.0": r"layer\1/\2/downsample",
            r"layer([1-4])\.(\d+)\.downsample\.1": r"layer\1/\2/downsample_bn",
        },
    ),
    NameMap("MobileNetV2", _mobilenet_v2()),
)


def our_names(names: Iterable[str]) -> tuple[dict[str, str], str | None]:
    """The name here of each tensor, by its name in a file, and whose net of torchvision it is.

    A net that is none of the maps' keeps its names, `.` within them written `/`. What torch counts
    beside the statistics, `num_batches_tracked`, has no name here.
    """
    parts = {name: name.rpartition(".")[::2] for name in names}
    parts = {name: part for name, part in parts.items() if part[1] != "num_batches_tracked"}
    layers = dict.fromkeys(layer for layer, _ in parts.values())
    known = {layer: layer.replace(".", "/") for layer in layers}
    whose = None
    fitting = [(each.of, mapped) for each in MAPS if (mapped := each.layers(layers)) is not None]
    if len(fitting) == 1 and any(name != ours for name, ours in fitting[0][1].items()):
        whose, known = fitting[0]
    ours = {
        name: f"{known[layer]}.{_BLOBS.get(blob, blob)}" if layer else name
        for name, (layer, blob) in parts.items()
    }
    return ours, whose
