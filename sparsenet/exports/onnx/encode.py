"""`--format onnx`: a deployed net as an ONNX file, proved to be the net."""

from __future__ import annotations

from sparsenet.errors import ConfigError
from sparsenet.exports.inference import Encoded, Inference


def encode_onnx(inference: Inference) -> Encoded:
    """The file of a net. Raises ConfigError without the extra, ExportError where it is not the net.

    The document: `opset`, `nodes`, `input` and `output` (names), `largest_difference` of ONNX
    Runtime's scores on `images` images, `largest_score`, `weights` and `nonzeros`.
    """
    try:
        import onnx  # noqa: F401, PLC0415  an extra
        import onnxruntime  # noqa: PLC0415
    except ImportError:
        words = "needs onnx and onnxruntime, which are not both installed"
        raise ConfigError(f"--format onnx {words}: pip install 'sparsenet[onnx]'") from None
    from sparsenet.exports.onnx.check import check  # noqa: PLC0415
    from sparsenet.exports.onnx.model import OPSET, model_of  # noqa: PLC0415

    model = model_of(inference)
    content = model.SerializeToString()
    found = check(content, inference)
    properties = {item.key: item.value for item in model.metadata_props}
    weights, nonzeros = (int(properties[key]) for key in ("weights", "nonzeros"))
    nodes, version = len(model.graph.node), onnxruntime.__version__
    lines = [
        f"opset {OPSET}, {nodes} nodes, from {inference.images!r} to {inference.scores!r}",
        f"largest difference in ONNX Runtime {version}: {found.difference:.3g} of scores up to "
        f"{found.scale:.3g} ({found.images} images)",
        f"{nonzeros:,} of {weights:,} weights are not zero, as in the net",
    ]
    document = {
        "opset": OPSET,
        "nodes": nodes,
        "input": inference.images,
        "output": inference.scores,
        "largest_difference": found.difference,
        "largest_score": found.scale,
        "images": found.images,
        "weights": weights,
        "nonzeros": nonzeros,
    }
    return Encoded(content, document, lines)
