"""Data: where a net's images and labels come from, Caffe's Data layer."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from sparsenet.data.options import DataOptions
from sparsenet.layers.base import PHASES, Layer, Phase, Shape, register
from sparsenet.record import KeyProblem, OneOrMany

_TRAINING_KEYS = ("split", "split_seed", "subset", "subset_seed", "bootstrap", "shuffle")


@register
class Data(DataOptions, Layer):
    """A source of batches. One without a phase serves TRAIN and TEST, and VAL where it has `split`.

    Its blobs are the images, float32 (N, channels, height, width), and the labels, int64 (N,).
    """

    # It builds no module: the net is given the batches that `sparsenet.data.phases` opens.

    bottoms: ClassVar[int] = 0
    tops: ClassVar[int] = 2

    type: Literal["Data"] = Field("Data", description="images and labels in batches")
    top: OneOrMany[str] = Field(
        ("data", "label"), description="the blobs it writes: the images and their labels"
    )

    @property
    def phases(self) -> tuple[Phase, ...]:
        """TRAIN and TEST where the file names them or no phase; VAL wherever TRAIN has a split."""
        named = super().phases
        has_val = "TRAIN" in named and self.split is not None
        return tuple(p for p in PHASES if (has_val if p == "VAL" else p in named))

    def output_shapes(self, bottoms: tuple[Shape, ...]) -> tuple[Shape, ...]:
        """Shapes of an image and of a label, which is one number."""
        return self.image_shape, ()

    @model_validator(mode="after")
    def _two_tops(self) -> Data:
        if len(self.top) != 2 or self.top[0] == self.top[1]:
            names = ", ".join(self.top)
            raise KeyProblem("top", f"[{names}] is not two blobs, of the images and of the labels")
        return self

    @model_validator(mode="after")
    def _keys_of_training(self) -> Data:
        """Keys of TRAIN stand where TRAIN is, so that no two layers split differently."""
        named = super().phases
        if "VAL" in named and "TRAIN" not in named:
            key = "include" if self.phase is None else "phase"
            raise KeyProblem(key, "VAL is what the Data layer of TRAIN holds out by its split")
        if named != PHASES and "VAL" in named and self.split is None:
            raise KeyProblem("split", "is missing: phase VAL is the samples it holds out")
        given = {key for key in self.model_fields_set if getattr(self, key) is not None}
        for key in _TRAINING_KEYS if "TRAIN" not in named else ():
            if key in given and getattr(self, key) is not False:
                raise KeyProblem(key, "is for the Data layer of phase TRAIN")
        for seed, part in (("split_seed", "split"), ("subset_seed", "subset")):
            if seed in given and part not in given:
                raise KeyProblem(seed, f"has no effect without {part}")
        return self
