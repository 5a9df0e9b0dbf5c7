"""Caffe's Datum: an image and its label, as a record of a database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparsenet.caffe.messages import need_protobuf

if TYPE_CHECKING:
    from sparsenet.caffe.caffe_pb2 import Datum


def read_datum(data: bytes | memoryview) -> Datum | None:
    """The message in these bytes; None where they are none. Raises ConfigError."""
    need_protobuf()
    from google.protobuf.message import DecodeError  # noqa: PLC0415 - an extra

    from sparsenet.caffe.caffe_pb2 import Datum  # noqa: PLC0415

    try:
        return Datum.FromString(data)  # type: ignore[arg-type]
    except DecodeError:
        return None
