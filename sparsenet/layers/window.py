"""The kernel, stride and pad that Convolution and Pooling share, each as (height, width)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from sparsenet.layers.base import Layer
from sparsenet.record import KeyProblem, OneOrMany

Pair = tuple[int, int]
Size = Annotated[int, Field(ge=1)]
Border = Annotated[int, Field(ge=0)]


class WindowLayer(Layer):
    """A layer that slides a window over an image; its sizes are in pixels."""

    kernel_size: OneOrMany[Size] | None = Field(
        None, description="the window: one number, or [height, width]"
    )
    kernel_h: Size | None = Field(None, description="the window's height, beside kernel_w")
    kernel_w: Size | None = Field(None, description="the window's width, beside kernel_h")
    stride: OneOrMany[Size] | None = Field(
        None, description="the window's step: one number, or [down, right]; left out: 1"
    )
    stride_h: Size | None = Field(None, description="the step down, beside stride_w")
    stride_w: Size | None = Field(None, description="the step right, beside stride_h")
    pad: OneOrMany[Border] | None = Field(
        None,
        description="pixels added at every side: one number, or [above and below, left and right]; "
        "left out: 0",
    )
    pad_h: Border | None = Field(None, description="pixels added above and below; left out: 0")
    pad_w: Border | None = Field(None, description="pixels added left and right; left out: 0")

    @model_validator(mode="after")
    def _one_way_to_say_it(self) -> WindowLayer:
        for key, stem in (("kernel_size", "kernel"), ("stride", "stride"), ("pad", "pad")):
            check_pair(key, getattr(self, key))
            sides = [f"{stem}_h", f"{stem}_w"]
            given = [side for side in sides if getattr(self, side) is not None]
            if given and getattr(self, key) is not None:
                raise KeyProblem(given[0], f"cannot stand beside {key}; give one of them")
            if len(given) == 1 and stem != "pad":
                missing = next(side for side in sides if side not in given)
                raise KeyProblem(missing, f"is missing: {given[0]} needs it beside it")
        return self

    @property
    def has_kernel(self) -> bool:
        """Whether the window's size is given."""
        return self.kernel_size is not None or self.kernel_h is not None

    @property
    def detail(self) -> str:
        """The window and, other than one pixel, its step: `3x3 /2`, `3x3 /2x1`."""
        down, right = self.stride_pair
        step = str(down) if down == right else by(self.stride_pair)
        return by(self.kernel_pair) + f" /{step}" * (self.stride_pair != (1, 1))

    @property
    def kernel_pair(self) -> Pair:
        """The window's height and width."""
        return pair(self.kernel_size, self.kernel_h, self.kernel_w, 1)

    @property
    def stride_pair(self) -> Pair:
        """The window's step down and right."""
        return pair(self.stride, self.stride_h, self.stride_w, 1)

    @property
    def pad_pair(self) -> Pair:
        """Pixels added at the top and at the bottom, and at the left and at the right."""
        return pair(self.pad, self.pad_h, self.pad_w, 0)


def pair(both: tuple[int, ...] | None, height: int | None, width: int | None, default: int) -> Pair:
    """(height, width) from the one or two numbers of `both`, or else from each side's own."""
    if both is not None:
        return both[0], both[-1]
    return default if height is None else height, default if width is None else width


def check_pair(key: str, value: tuple[int, ...] | None) -> None:
    """Raise KeyProblem unless `value` is left out, one number, or two."""
    if value is not None and len(value) not in (1, 2):
        raise KeyProblem(key, f"{list(value)} must be one number or [height, width]")


def by(sizes: Pair) -> str:
    """Two sizes as the messages write them: `5x4`, height first."""
    return f"{sizes[0]}x{sizes[1]}"
