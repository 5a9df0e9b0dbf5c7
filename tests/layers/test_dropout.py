"""Dropout: Caffe's scaling while training, nothing otherwise."""

import pytest
import torch

from sparsenet.layers.dropout import Dropout


@pytest.mark.parametrize("ratio", [0.2, 0.5, 0.9])
def test_kept_values_are_scaled_so_that_the_mean_stays(ratio):
    module = Dropout(name="d", dropout_ratio=ratio).build(((1,),), torch.Generator())
    torch.manual_seed(0)
    x = torch.ones(200, 500)
    y = module.train()(x)
    kept = y != 0
    torch.testing.assert_close(y[kept], x[kept] / (1 - ratio))
    deviation = (ratio * (1 - ratio) / x.numel()) ** 0.5
    assert abs(kept.float().mean().item() - (1 - ratio)) < 5 * deviation


def test_outside_training_nothing_changes():
    module = Dropout(name="d").build(((3,),), torch.Generator()).eval()
    x = torch.randn(4, 3)
    assert torch.equal(module(x), x)


def test_a_seed_fixes_the_mask():
    module = Dropout(name="d").build(((50,),), torch.Generator())
    masks = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        masks.append(module(torch.ones(2, 50)))
    assert torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])
