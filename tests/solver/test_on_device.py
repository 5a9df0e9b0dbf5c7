"""On a device other than the CPU nothing waits for it: shown on torch's, which has no values.

A tensor on "meta" can be computed with, but whoever asks it for a number, or which of its elements
are not zero, gets an error; on a GPU he would wait until all that was asked of it is done.
"""

from __future__ import annotations

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from sparsenet.data.folders import list_images
from sparsenet.data.transforms import Transform
from sparsenet.regularization.schedule import Progress
from sparsenet.solver.evaluate import evaluate
from sparsenet.solver.step import Stepper
from sparsenet.solver.update import UPDATES
from sparsenet.workflows.build import build
from tests.data.image_folder import make_folder, streamed
from tests.small import configured, convolution, inner_product, net_data, parts

META = torch.device("meta")
LAYERS = (
    convolution("conv", 6, regularization={"type": "shrink", "strength": 0.01}),
    {"name": "bn", "type": "BatchNormScale"},
    {"name": "caffe", "type": "BatchNorm"},
    {"name": "scale", "type": "Scale"},
    {"name": "pool", "type": "Pooling", "kernel_size": 2, "stride": 2},
    {"name": "lrn", "type": "LRN"},
    inner_product("ip1", 12, regularization={"type": "l0", "t": "50%", "interval": 10}),
    {"name": "drop", "type": "Dropout"},
    inner_product("ip2", 10, regularization={"type": "l1", "weight_decay": 0.1}),
)
AUGMENTED = {"scale": 0.01, "mean": "train", "mirror": True, "crop_size": 7, "pad": 1}


class Copies(TorchDispatchMode):
    """Counts copies from the CPU to the device that somebody waits for."""

    waited = 0

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        keywords = keywords or {}
        result = function(*arguments, **keywords)
        given = [a for a in arguments if isinstance(a, torch.Tensor)]
        if "copy" in str(function) and any(a.device.type == "cpu" for a in given):
            to_meta = isinstance(result, torch.Tensor) and result.device == META
            self.waited += to_meta and not keywords.get("non_blocking", False)
        return result


def on_meta(**solver):
    configuration = configured(net_data(*LAYERS, transform=AUGMENTED), **solver)
    # Parameters move to a GPU as the objects that they are; here only with this setting.
    torch.__future__.set_swap_module_params_on_conversion(True)
    try:
        run = build(configuration, META)
    finally:
        torch.__future__.set_swap_module_params_on_conversion(False)
    assert {blob.tensor.device for blob in run.net.blobs} == {META}
    return run


@pytest.mark.parametrize("solver_type", sorted(UPDATES))
def test_an_update_waits_for_nothing(solver_type):
    run = on_meta(type=solver_type, clip_gradients=1, iter_size=2, weight_decay=0.001)
    stepper = Stepper(run.config, run.net, run.batches["TRAIN"], run.schedule)
    stepper.step(0, Progress())  # an epoch's order comes from the CPU, once
    with Copies() as copies:
        for step in range(1, 5):
            stepper.step(step, Progress())
    assert copies.waited == 0


def test_a_batch_from_files_is_fetched_and_not_waited_for(tmp_path):
    files = list_images(make_folder(tmp_path), train=True)
    transform = Transform(resize=(14, 12), crop_size=9, mirror=True, mean="train", std=(3, 4, 5))
    mean = torch.zeros(3, 14, 12)
    stream = streamed(
        files, 4, workers=0, transform=transform, mean_image=mean, train=True, device=META
    )
    with Copies() as copies:
        images, labels = stream.batch(0)
    assert (images.device, labels.device) == (META, META)
    assert copies.waited == 0


class Enough(Exception):
    """What a listener ends the loop by."""


class Ending:
    """Hears of updates alone."""

    def advanced(self, loop):
        if loop.step == 8:
            raise Enough


def test_the_loop_looks_at_a_loss_only_to_show_it():
    run = on_meta(test_interval=0, display=0, max_iter=100)
    with pytest.raises(Enough):
        run.loop().run(Ending(), lambda: False)
    run = on_meta(test_interval=0, display=1, max_iter=100)
    with pytest.raises(RuntimeError, match="meta tensors"):
        run.loop().run(Ending(), lambda: False)


class Looks(TorchDispatchMode):
    """Counts numbers taken out of tensors one by one, and places looked for."""

    taken = 0

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        named = str(function).partition(".default")[0]
        self.taken += named in ("aten._local_scalar_dense", "aten.nonzero", "aten.masked_select")
        return function(*arguments, **(keywords or {}))


def test_a_test_takes_its_scores_at_the_end_all_at_once():
    run = parts(net_data(*LAYERS, batch_size=48))
    with Looks() as looks:
        score = evaluate(run.net, run.batches["TEST"], "TEST")
    assert looks.taken == 0
    assert score.samples == 360
    with Looks() as looks:
        float(torch.ones(1))
    assert looks.taken == 1
