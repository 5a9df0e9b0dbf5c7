"""One function a layer type: from Caffe's LayerParameter to the keys that the layer has here.

A new one is a function with `@converts` above it. Whatever it does not read of its messages is
named in the import's warning, and what would change the numbers is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sparsenet.caffe.fields import Fields
from sparsenet.record_words import shown

Keys = dict[str, Any]
Converter = Callable[[Fields], Keys]
CONVERTERS: dict[str, Converter] = {}
"""By Caffe's type, which is ours too."""

_FILLERS = {
    "constant": ("value",),
    "uniform": ("min", "max"),
    "gaussian": ("mean", "std", "sparse"),
    "xavier": ("variance_norm",),
    "msra": ("variance_norm",),
    "positive_unitball": (),
    "bilinear": (),
}
_ONE_AXIS = "is another axis than the channels, the only one here"


def converts(*types: str) -> Callable[[Converter], Converter]:
    """Make a function known as what converts layers of these types."""

    def add(function: Converter) -> Converter:
        CONVERTERS.update(dict.fromkeys(types, function))
        return function

    return add


def filler(fields: Fields) -> Keys:
    """A FillerParameter: its type and the keys that this type uses."""
    name = fields.value("type")
    used = _FILLERS.get(name, ())
    for key in ("value", "min", "max", "mean", "std", "sparse", "variance_norm"):
        if key not in used:
            fields.leave_out(key, f"has no effect on the filler {name}")
    return {"type": name, **fields.taken(*used)}


def fillers(fields: Fields, *keys: str) -> Keys:
    """Those of the fillers that are set. One of a bias that is not there fills nothing."""
    if not fields.value("bias_term"):
        fields.leave_out("bias_filler", "has nothing to fill: bias_term is false")
    return {key: filler(fields.sub(key)) for key in keys if key in fields.left}


def params(layer: Fields) -> Keys:
    """`param`: the multipliers of each blob, which no other layer may share."""
    items = []
    for spec in layer.each("param"):
        _refuse_shared(spec)
        items.append(spec.taken("lr_mult", "decay_mult"))
    return {"param": items} if any(items) else {}


def _refuse_shared(spec: Fields) -> None:
    spec.pass_over("share_mode")
    if spec.value("name"):
        spec.refuse("name", "shares the blob with other layers, which is not possible here")


@converts("Convolution")
def _convolution(layer: Fields) -> Keys:
    fields = layer.sub("convolution_param")
    fields.pass_over("engine", "force_nd_im2col")
    fields.require("axis", 1, _ONE_AXIS)
    sizes = [f"{key}{side}" for key in ("pad", "kernel", "stride") for side in ("_h", "_w")]
    window = fields.taken("num_output", "bias_term", "pad", "kernel_size", "stride", *sizes)
    others = fields.taken("dilation", "group")
    return {**params(layer), **window, **others, **fillers(fields, "weight_filler", "bias_filler")}


@converts("InnerProduct")
def _inner_product(layer: Fields) -> Keys:
    fields = layer.sub("inner_product_param")
    fields.require("axis", 1, "keeps axes apart that are one here")
    fields.require("transpose", False, "stores the weights the other way round")
    outputs = fields.taken("num_output", "bias_term")
    return {**params(layer), **outputs, **fillers(fields, "weight_filler", "bias_filler")}


@converts("BatchNorm")
def _batch_norm(layer: Fields) -> Keys:
    for spec in layer.each("param"):
        _refuse_shared(spec)
        spec.pass_over("decay_mult")
        if spec.value("lr_mult"):
            spec.leave_out("lr_mult", "has no effect on statistics, which are not trained")
    fields = layer.sub("batch_norm_param")
    return fields.taken("use_global_stats", "moving_average_fraction", "eps")


@converts("Scale")
def _scale(layer: Fields) -> Keys:
    fields = layer.sub("scale_param")
    fields.require("axis", 1, _ONE_AXIS)
    fields.require("num_axes", 1, "scales more than the channels")
    made = {**params(layer), **fields.taken("bias_term")}
    return {**made, **fillers(fields, "filler", "bias_filler")}


@converts("PReLU")
def _prelu(layer: Fields) -> Keys:
    fields = layer.sub("prelu_param")
    filled = {"filler": filler(fields.sub("filler"))} if fields.has("filler") else {}
    return {**params(layer), **filled, **fields.taken("channel_shared")}


@converts("Pooling")
def _pooling(layer: Fields) -> Keys:
    fields = layer.sub("pooling_param")
    fields.pass_over("engine")
    if fields.value("pool") == "STOCHASTIC":
        fields.refuse("pool", "is not possible here; it may be MAX or AVE")
    sizes = [f"{key}{side}" for key in ("pad", "kernel", "stride") for side in ("_h", "_w")]
    return {
        "pool": fields.value("pool"),
        **fields.taken("pad", "kernel_size", "stride", *sizes),
        **fields.taken("global_pooling", "round_mode"),
    }


@converts("LRN")
def _lrn(layer: Fields) -> Keys:
    fields = layer.sub("lrn_param")
    fields.pass_over("engine")
    if fields.peek("norm_region") == "WITHIN_CHANNEL" and fields.peek("k") != 1:
        fields.leave_out("k", "has no effect within a channel, in Caffe either, where it is 1")
    keys = ("norm_region", "local_size", "alpha", "beta", "k")
    return fields.taken(*(key for key in keys if key in fields.left))


@converts("ReLU")
def _relu(layer: Fields) -> Keys:
    fields = layer.sub("relu_param")
    fields.pass_over("engine")
    return fields.taken("negative_slope")


@converts("Sigmoid")
def _sigmoid(layer: Fields) -> Keys:
    layer.sub("sigmoid_param").pass_over("engine")
    return {}


@converts("TanH")
def _tanh(layer: Fields) -> Keys:
    layer.sub("tanh_param").pass_over("engine")
    return {}


@converts("ELU")
def _elu(layer: Fields) -> Keys:
    return layer.sub("elu_param").taken("alpha")


@converts("Power")
def _power(layer: Fields) -> Keys:
    return layer.sub("power_param").taken("power", "scale", "shift")


@converts("Dropout")
def _dropout(layer: Fields) -> Keys:
    return layer.sub("dropout_param").taken("dropout_ratio")


@converts("Eltwise")
def _eltwise(layer: Fields) -> Keys:
    fields = layer.sub("eltwise_param")
    fields.pass_over("stable_prod_grad")
    return fields.taken("operation", "coeff")


@converts("Concat")
def _concat(layer: Fields) -> Keys:
    fields = layer.sub("concat_param")
    fields.require("axis", 1, _ONE_AXIS)
    fields.require("concat_dim", 1, _ONE_AXIS)
    return {}


@converts("Slice")
def _slice(layer: Fields) -> Keys:
    fields = layer.sub("slice_param")
    fields.require("axis", 1, _ONE_AXIS)
    fields.require("slice_dim", 1, _ONE_AXIS)
    return fields.taken("slice_point")


@converts("Split")
def _split(_layer: Fields) -> Keys:
    return {}


@converts("Flatten")
def _flatten(layer: Fields) -> Keys:
    fields = layer.sub("flatten_param")
    for key, only in (("axis", 1), ("end_axis", -1)):
        fields.require(key, only, "keeps axes apart that are one here")
    return {}


@converts("Softmax")
def _softmax(layer: Fields) -> Keys:
    fields = layer.sub("softmax_param")
    fields.pass_over("engine")
    fields.require("axis", 1, _ONE_AXIS)
    return {}


@converts("Accuracy")
def _accuracy(layer: Fields) -> Keys:
    fields = layer.sub("accuracy_param")
    fields.require("axis", 1, _ONE_AXIS)
    return fields.taken("top_k", "ignore_label")


@converts("SoftmaxWithLoss")
def _softmax_with_loss(layer: Fields) -> Keys:
    return {**_softmax(layer), **_normalized(layer)}


@converts("SigmoidCrossEntropyLoss")
def _sigmoid_cross_entropy_loss(layer: Fields) -> Keys:
    layer.sub("sigmoid_param").pass_over("engine")
    return _normalized(layer)


def _normalized(layer: Fields) -> Keys:
    """The label that does not count and what a loss is divided by, with its weight.

    `normalize`, of before there was `normalization`, counts only without that.
    """
    fields = layer.sub("loss_param")
    data = fields.taken("ignore_label", "normalization")
    if "normalization" in data:
        fields.leave_out("normalize", "has no effect beside normalization")
    elif (old := fields.take("normalize")) is not None:
        data["normalization"] = "VALID" if old else "BATCH_SIZE"
    return {**_loss_weight(layer), **data}


@converts("MultinomialLogisticLoss")
def _multinomial_logistic_loss(layer: Fields) -> Keys:
    """Caffe's divides by the examples, whatever loss_param says."""
    layer.leave_out("loss_param", "has no effect on this loss, in Caffe either")
    return {**_loss_weight(layer), "normalization": "BATCH_SIZE"}


@converts("EuclideanLoss")
def _euclidean_loss(layer: Fields) -> Keys:
    layer.leave_out("loss_param", "has no effect on this loss, in Caffe either")
    return _loss_weight(layer)


def _loss_weight(layer: Fields) -> Keys:
    if len(layer.value("loss_weight")) > 1:
        layer.refuse("loss_weight", "are weights of several tops, and a loss here has one")
    return layer.taken("loss_weight")


def refuse_loss_weight(layer: Fields) -> None:
    """Of a layer that is no loss a weight other than 0 would make its top one."""
    if any(layer.value("loss_weight")):  # 0 has no effect
        layer.refuse("loss_weight", f"makes a loss of a {shown(layer.value('type'))} layer's top")
