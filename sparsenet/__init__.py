"""sparsenet: convolutional networks that fit a byte budget, from Caffe-style YAML files."""

from importlib.metadata import version

__version__ = version("sparsenet")

__all__ = ["__version__"]
