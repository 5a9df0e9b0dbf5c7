"""The layers as ONNX operators, each family in its file; importing this fills `WRITERS`."""

from sparsenet.exports.onnx.graph import WRITERS
from sparsenet.exports.onnx.operators import channels, values, windows

__all__ = ["WRITERS", "channels", "values", "windows"]
