"""The libraries by which Caffe's files are read and written, an extra: `sparsenet[caffe]`.

Its messages are defined by caffe.proto, from which caffe_pb2.py is made: nothing but functions that
have called `need_protobuf` imports that.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from sparsenet.errors import ConfigError

if TYPE_CHECKING:
    from google.protobuf.message import Message


def extra(library: str) -> ModuleType:
    """h5py or lmdb, imported. Raises ConfigError where it is not installed."""
    try:
        return import_module(library)
    except ImportError:
        package = library.partition(".")[0].replace("google", "protobuf")
        words = f"needs {package}, which is not installed: pip install 'sparsenet[caffe]'"
        raise ConfigError(f"what reads and writes Caffe's files {words}") from None


def need_protobuf() -> None:
    """Make sure that caffe_pb2 can be imported. Raises ConfigError."""
    extra("google.protobuf")


def as_text(message: Message) -> str:
    """A message as a prototxt."""
    from google.protobuf import text_format  # noqa: PLC0415

    return text_format.MessageToString(message)
