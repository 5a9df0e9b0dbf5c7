"""What stands between a picture and a deployed net's input, for those who must repeat it."""

from __future__ import annotations

import base64
import json
from typing import Any

import torch
from torch import Tensor

from sparsenet.data.windows import centre
from sparsenet.exports.inference import ExportError, Inference

_KEYS = ("resize", "crop_size", "mean_value", "scale", "std")
"""The keys of a transform that act in tests; a mean image is a fact of its own."""

_SEED = 20140


def facts(inference: Inference) -> dict[str, str]:
    """What a file says of the net beside its layers: texts, those that hold more as JSON.

    `net`, `iter`, `test_accuracy` where it was measured, `weights` and `nonzeros` (biases apart),
    `transform` with the keys of the Data layer that act in tests and `color_order` where it is BGR,
    `mean_image` as its shape and
    its float32 numbers (little-endian, C order, base64), and `classes`, the names of the scores.
    """
    checkpoint = inference.checkpoint
    weights = [blob.tensor for blob in inference.blobs if blob.is_weight]
    found = {
        "net": inference.net.config.name,
        "iter": str(checkpoint.iter),
        "weights": str(sum(tensor.numel() for tensor in weights)),
        "nonzeros": str(sum(int(torch.count_nonzero(tensor)) for tensor in weights)),
        "transform": json.dumps(_transform(inference)),
    }
    if "TEST" in checkpoint.accuracy:
        found["test_accuracy"] = repr(checkpoint.accuracy["TEST"])
    if (mean := mean_image(inference)) is not None:
        numbers = base64.b64encode(mean.numpy().astype("<f4").tobytes()).decode("ascii")
        found["mean_image"] = json.dumps({"shape": list(mean.shape), "float32": numbers})
    if checkpoint.classes is not None:
        found["classes"] = json.dumps(checkpoint.classes)
    return found


def _transform(inference: Inference) -> dict[str, Any]:
    transform = inference.data.transform
    values = {key: getattr(transform, key) for key in _KEYS}
    if inference.data.has_blue_first:
        values["color_order"] = "BGR"
    return {key: value for key, value in values.items() if value is not None}


def mean_image(inference: Inference) -> Tensor | None:
    """The mean image, (channels, height, width) before the crop, that is subtracted.

    Raises ExportError where the checkpoint holds none, or one of another shape.
    """
    if inference.data.transform.image_of_mean is None:
        return None
    mean, shape = inference.checkpoint.mean_image, inference.data.mean_shape
    if mean is None or tuple(mean.shape) != shape:
        held = "none" if mean is None else f"one of {tuple(mean.shape)}"
        raise ExportError(f"its images need a mean image of {shape}, and the file holds {held}")
    return mean.detach().float().contiguous()


def sample_images(inference: Inference, count: int) -> Tensor:
    """So many images of random pixels, always the same, as the transform gives them to the net.

    (x - mean) * scale / std of independent x, uniform in 0..255: float32 (count, C, H, W).
    """
    data = inference.data
    generator = torch.Generator().manual_seed(_SEED)
    pixels = torch.randint(0, 256, (count, *data.image_shape), generator=generator).float()
    mean = data.transform.channel_means(data.image_shape[0])
    if (image := mean_image(inference)) is not None:
        mean = centre(image, data.transform.crop_size)
    return (pixels if mean is None else pixels - mean) * data.transform.factor(data.image_shape[0])
