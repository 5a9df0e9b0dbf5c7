"""What each layer type becomes, and what it cannot be."""

from __future__ import annotations

import pytest

from sparsenet.config.net import NetConfig
from sparsenet.record import check_record
from tests.caffe.prototxt import convert_text, keys_of, refused

XAVIER = 'weight_filler { type: "xavier" }'


@pytest.mark.parametrize(
    ("layer", "keys"),
    [
        (
            'type: "Convolution" param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 2.5 }'
            " convolution_param { num_output: 8 kernel_size: 3 kernel_size: 5 pad: 1 stride: 2"
            " group: 2 dilation: 2 bias_term: true engine: CAFFE"
            ' weight_filler { type: "gaussian" std: 0.0001 sparse: 15 }'
            " bias_filler { value: 0.1 } }",
            {
                "param": [{"lr_mult": 1, "decay_mult": 1}, {"lr_mult": 2.5}],
                "num_output": 8,
                "bias_term": True,
                "pad": 1,
                "kernel_size": [3, 5],
                "stride": 2,
                "dilation": 2,
                "group": 2,
                "weight_filler": {"type": "gaussian", "std": 0.0001, "sparse": 15},
                "bias_filler": {"type": "constant", "value": 0.1},
            },
        ),
        (
            'type: "Convolution" convolution_param { num_output: 8 kernel_h: 1 kernel_w: 3'
            " stride_h: 1 stride_w: 2 pad_w: 1 }",
            {
                "num_output": 8,
                "pad_w": 1,
                "kernel_h": 1,
                "kernel_w": 3,
                "stride_h": 1,
                "stride_w": 2,
            },
        ),
        (
            'type: "InnerProduct" inner_product_param { num_output: 3 bias_term: false'
            ' weight_filler { type: "msra" variance_norm: FAN_OUT } }',
            {
                "num_output": 3,
                "bias_term": False,
                "weight_filler": {"type": "msra", "variance_norm": "FAN_OUT"},
            },
        ),
        (
            'type: "Pooling" pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1'
            " round_mode: FLOOR engine: CUDNN }",
            {"pool": "AVE", "pad": 1, "kernel_size": 3, "stride": 2, "round_mode": "FLOOR"},
        ),
        (
            'type: "Pooling" pooling_param { global_pooling: true }',
            {"pool": "MAX", "global_pooling": True},
        ),
        (
            'type: "LRN" lrn_param { local_size: 3 alpha: 5e-5 beta: 0.75'
            " norm_region: WITHIN_CHANNEL }",
            {"norm_region": "WITHIN_CHANNEL", "local_size": 3, "alpha": 5e-5, "beta": 0.75},
        ),
        ('type: "ReLU" relu_param { negative_slope: 0.1 }', {"negative_slope": 0.1}),
        ('type: "ELU" elu_param { alpha: 0.5 }', {"alpha": 0.5}),
        ('type: "Sigmoid"', {}),
        ('type: "TanH" tanh_param { engine: CAFFE }', {}),
        (
            'type: "Power" power_param { power: 2 scale: -0.5 shift: 1 }',
            {"power": 2, "scale": -0.5, "shift": 1},
        ),
        ('type: "Dropout" dropout_param { dropout_ratio: 0.3 }', {"dropout_ratio": 0.3}),
        (
            'type: "Eltwise" eltwise_param { operation: SUM coeff: 1 coeff: -1 }',
            {"operation": "SUM", "coeff": [1, -1]},
        ),
        ('type: "Concat" concat_param { axis: 1 }', {}),
        ('type: "Slice" slice_param { slice_point: 2 slice_point: 5 }', {"slice_point": [2, 5]}),
        ('type: "Flatten"', {}),
        ('type: "Softmax" softmax_param { axis: 1 }', {}),
        ('type: "Split"', {}),
        (
            'type: "BatchNorm" param { lr_mult: 0 } batch_norm_param { use_global_stats: false'
            " eps: 1e-4 moving_average_fraction: 0.9 }",
            {"use_global_stats": False, "moving_average_fraction": 0.9, "eps": 1e-4},
        ),
        (
            'type: "Scale" scale_param { bias_term: true filler { value: 2 }'
            " bias_filler { value: 0.5 } }",
            {
                "bias_term": True,
                "filler": {"type": "constant", "value": 2},
                "bias_filler": {"type": "constant", "value": 0.5},
            },
        ),
        (
            'type: "PReLU" param { lr_mult: 0.5 } prelu_param { channel_shared: true'
            " filler { value: 0.1 } }",
            {
                "param": [{"lr_mult": 0.5}],
                "filler": {"type": "constant", "value": 0.1},
                "channel_shared": True,
            },
        ),
        (
            'type: "Accuracy" accuracy_param { top_k: 5 ignore_label: 0 }',
            {"top_k": 5, "ignore_label": 0},
        ),
        (
            'type: "SoftmaxWithLoss" loss_weight: 0.3 loss_param { ignore_label: 255'
            " normalization: FULL }",
            {"loss_weight": 0.3, "ignore_label": 255, "normalization": "FULL"},
        ),
        # Before there was `normalization`.
        (
            'type: "SoftmaxWithLoss" loss_param { normalize: false }',
            {"normalization": "BATCH_SIZE"},
        ),
        (
            'type: "SigmoidCrossEntropyLoss" loss_param { normalize: true }',
            {"normalization": "VALID"},
        ),
        ('type: "EuclideanLoss" loss_weight: 0', {"loss_weight": 0}),
        # Caffe's divides by the examples.
        ('type: "MultinomialLogisticLoss"', {"normalization": "BATCH_SIZE"}),
    ],
)
def test_the_keys_of_a_layer(layer: str, keys: dict[str, object]) -> None:
    kind = layer.split('"')[1]
    assert keys_of(f'{layer} bottom: "a" bottom: "b" top: "c"') == {"type": kind, **keys}
    record = {"name": "x", "type": kind, "bottom": ["a", "b"], "top": ["c", "d", "e"], **keys}
    assert check_record(NetConfig, {"layers": [record]})[1] == []


@pytest.mark.parametrize(
    ("kind", "fields", "problem"),
    [
        ("Convolution", "convolution_param { axis: 2 }", "convolution_param.axis: 2 is another"),
        ("InnerProduct", "inner_product_param { axis: 2 }", "inner_product_param.axis: 2 keeps"),
        (
            "InnerProduct",
            "inner_product_param { transpose: true }",
            "inner_product_param.transpose: true stores the weights the other way round; it must"
            " be false",
        ),
        (
            "Pooling",
            "pooling_param { pool: STOCHASTIC }",
            "pooling_param.pool: 'STOCHASTIC' is not",
        ),
        ("Concat", "concat_param { axis: 0 }", "concat_param.axis: 0 is another"),
        ("Concat", "concat_param { concat_dim: 0 }", "concat_param.concat_dim: 0 is another"),
        ("Slice", "slice_param { axis: 2 }", "slice_param.axis: 2 is another"),
        ("Flatten", "flatten_param { end_axis: 2 }", "flatten_param.end_axis: 2 keeps"),
        ("Softmax", "softmax_param { axis: 2 }", "softmax_param.axis: 2 is another"),
        ("SoftmaxWithLoss", "softmax_param { axis: 2 }", "softmax_param.axis: 2 is another"),
        ("SoftmaxWithLoss", "loss_weight: [1, 0]", "loss_weight: [1, 0] are weights of several"),
        ("Scale", "scale_param { axis: 0 }", "scale_param.axis: 0 is another"),
        ("Scale", "scale_param { num_axes: 2 }", "scale_param.num_axes: 2 scales more"),
        ("Accuracy", "accuracy_param { axis: 2 }", "accuracy_param.axis: 2 is another"),
        ("ReLU", "loss_weight: 1", "loss_weight: 1 makes a loss of a 'ReLU' layer's top"),
        ("Convolution", 'param { name: "w" }', "param.name: 'w' shares the blob"),
        ("BatchNorm", 'param { name: "w" }', "param.name: 'w' shares the blob"),
        ("ReLU", "propagate_down: false", "propagate_down: false stops the gradient of 'a'"),
    ],
)
def test_what_would_change_the_numbers_is_refused_by_its_line(
    kind: str, fields: str, problem: str
) -> None:
    [said] = refused(f'type: "{kind}" bottom: "a" top: "b"\n {fields}')
    assert said.startswith(f"net.prototxt:2: x.{problem}")


def test_propagate_down_of_data_is_what_happens_anyway() -> None:
    result = convert_text(
        """layer { name: "d" type: "MemoryData" top: "data" top: "label"
             memory_data_param { batch_size: 1 channels: 3 height: 4 width: 4 } }
           layer { name: "c" type: "Flatten" bottom: "data" top: "c" propagate_down: false }"""
    )
    assert (result.problems, result.warnings) == ([], [])


@pytest.mark.parametrize(
    ("layer", "warning"),
    [
        (
            f'type: "InnerProduct" inner_product_param {{ bias_term: false {XAVIER}\n'
            " bias_filler { value: 1 } }",
            "net.prototxt:2: x: inner_product_param.bias_filler: has nothing to fill:"
            " bias_term is false",
        ),
        (
            'type: "Scale" scale_param { filler {\n std: 0.5 } }',
            "net.prototxt:2: x: scale_param.filler.std: 0.5 has no effect on the filler constant",
        ),
        (
            'type: "ReLU"\n pooling_param { kernel_size: 2 }',
            "net.prototxt:2: x: pooling_param: is not carried over",
        ),
        (
            'type: "ReLU"\n\n window_size: 3',
            "net.prototxt:3: x: window_size: is not known here, and is left out",
        ),
        (
            'type: "LRN" lrn_param { norm_region: WITHIN_CHANNEL k: 2 }',
            "net.prototxt:1: x: lrn_param.k: 2 has no effect within a channel, in Caffe either,"
            " where it is 1",
        ),
        (
            'type: "BatchNorm" param { lr_mult: 1 }',
            "net.prototxt:1: x: param.lr_mult: 1 has no effect on statistics,"
            " which are not trained",
        ),
    ],
)
def test_what_has_no_effect_is_a_warning(layer: str, warning: str) -> None:
    result = convert_text(f'layer {{ name: "x" bottom: "a" top: "b" {layer} }}')
    assert (result.problems, result.warnings) == ([], [warning])


def test_warnings_alike_are_one() -> None:
    layers = "".join(
        f'layer {{ name: "{name}" type: "ReLU" debug: 1 }}\n' for name in ("a", "b", "c", "d")
    )
    words = "debug: is not known here, and is left out"
    assert convert_text(layers).warnings == [f"net.prototxt:1: a, b, c and 1 more: {words}"]


def test_unsupported_types_are_all_named_and_nothing_else() -> None:
    result = convert_text(
        """layer { name: "a" type: "Python" }
           layer { name: "b" type: "Deconvolution" convolution_param { axis: 2 } }
           layer { name: "c" type: "Relu" }
           layer { name: "d" type: "ReLU" include { phase: TEST stage: "never" } }"""
    )
    assert result.problems == [
        "net.prototxt:1: a: the layer type 'Python' is not supported",
        "net.prototxt:2: b: the layer type 'Deconvolution' is not supported; did you mean"
        " 'Convolution'?",
        "net.prototxt:3: c: the layer type 'Relu' is not supported; did you mean 'ReLU'?",
    ]
    assert result.layers == []
