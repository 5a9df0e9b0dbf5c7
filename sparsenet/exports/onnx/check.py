"""Whether an ONNX file is the net: by onnx's checker, its initializers, and ONNX Runtime."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor

from sparsenet.exports.inference import ExportError, Inference
from sparsenet.exports.preprocessing import sample_images

TOLERANCE = 1e-4
"""The largest difference of two scores, as a part of the largest score."""

_BATCHES = (1, 4)
"""Images at a time: of both sizes, since N is any number."""


@dataclass(frozen=True)
class Agreement:
    """The largest difference of ONNX Runtime's scores from the net's, on so many images.

    `scale` is the largest of the net's scores; both are absolute.
    """

    difference: float
    scale: float
    images: int


def check(content: bytes, inference: Inference) -> Agreement:
    """Prove that a file is the net. Raises ExportError where it is not.

    onnx's checker passes it, shapes inferred; each initializer named as a tensor of the net has its
    bits, and so its zeros, and none of a trained tensor is missing; and on images of random pixels
    ONNX Runtime's scores are the net's: max |x - y| <= 1e-4 max |y|.
    """
    try:
        onnx.checker.check_model(content, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"onnx's checker refuses it: {_first_line(error)}") from None
    _require_tensors(onnx.load_from_string(content), inference)
    return _compared(content, inference)


def _require_tensors(model: onnx.ModelProto, inference: Inference) -> None:
    written = {item.name: onnx.numpy_helper.to_array(item) for item in model.graph.initializer}
    for name, tensor in inference.tensors.items():
        if name in written and written[name].tobytes() != _bytes(tensor):
            raise ExportError(f"{name} in the file has not the net's values")
    for blob in inference.blobs:
        if blob.name not in written:
            raise ExportError(f"{blob.name} is not in the file")


def _bytes(tensor: Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().numpy().tobytes()


def _compared(content: bytes, inference: Inference) -> Agreement:
    session = _session(content)
    samples = sample_images(inference, sum(_BATCHES))
    difference, scale = 0.0, 0.0
    for images in torch.split(samples, list(_BATCHES)):
        expected, found = inference.compute(images).numpy(), _scores(session, images)
        if not np.isfinite(expected).all():
            raise ExportError("its scores of random images are not all finite numbers")
        if found.shape != expected.shape:
            words = f"ONNX Runtime's scores are {found.shape}, the net's {expected.shape}"
            raise ExportError(words)
        difference = max(difference, float(np.abs(found - expected).max()))
        scale = max(scale, float(np.abs(expected).max()))
    if not difference <= TOLERANCE * scale:  # NaN too
        words = f"ONNX Runtime's scores differ by {difference:.3g} from the net's"
        raise ExportError(f"{words}, which reach {scale:.3g}: more than {TOLERANCE:g} of them")
    return Agreement(difference, scale, len(samples))


def _session(content: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4  # what is wrong is raised, and told once
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no other base
        raise ExportError(f"ONNX Runtime cannot load it: {_first_line(error)}") from None


def _scores(session: onnxruntime.InferenceSession, images: Tensor) -> np.ndarray:
    try:
        [found] = session.run(None, {session.get_inputs()[0].name: images.numpy()})
    except Exception as error:  # its errors have no other base
        raise ExportError(f"ONNX Runtime cannot run it: {_first_line(error)}") from None
    assert isinstance(found, np.ndarray), "a tensor is what was declared"
    return found


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
