"""Data layers with what a test gives, and what else they need."""

from sparsenet.layers.data import Data

FOLDER = {"source": "ImageFolder", "transform": {"resize": [32, 32]}}
SIZE = "needs transform.resize: [height, width], that all images be of one size"


def data(**given) -> dict[str, object]:
    return {"name": "in", "type": "Data", "source": "digits", "batch_size": 10, **given}


def layer(**given) -> Data:
    return Data.model_validate(data(**given))
