"""What docs/configuration.md says beside the records: its prose, and the tables of registries."""

from __future__ import annotations

import dataclasses

from sparsenet.config.schema_words import code, table
from sparsenet.data.sources import IMAGE_FOLDER, LMDB, SOURCES
from sparsenet.solver.lr_policies import LR_POLICIES
from sparsenet.solver.update import UPDATES

HEAD = """\
# Configuration

<!-- Made by `make docs` from the records in sparsenet/: change a key's words there, not here. -->

A training is described by two YAML files in Caffe's vocabulary: a *solver* file says how to train,
and names a *net* file that says what. The keys of a `solver.prototxt` stand here as they are.

- [Example](#example)
- [How the files are read](#how-the-files-are-read)
- [Solver file](#solver-file): [learning rate policies](#learning-rate-policies),
  [solver types](#solver-types), [stages](#stage)
- [Net file](#net-file): [blocks](#block), [keys of every layer](#keys-of-every-layer),
  [layers](#layers), [data sets](#data-sets), [regularizers](#regularizers), [fillers](#fillers)
- [Sweep file](#sweep-file), of many trainings: [methods](#method)

`sparsenet schema solver`, `schema net` and `schema sweep` print the same as JSON Schema, with which
an editor completes and checks keys as they are typed."""

READING = """\
## How the files are read

- YAML 1.2: `1e-4` is a number, `no` and `on` are texts, and a repeated key is an error.
- All problems of both files are reported at once, each with its file and line, before anything is
  written; how layers fit together is looked at when each is right by itself. An unknown key names
  the nearest valid one. A key that the chosen `lr_policy` or `type` does not use is an error.
- A percentage is written `5%`, and means that share of the weights or samples, rounded down.
- `net` is a path relative to the solver file, or the net itself in its place.
- `--set KEY.PATH=VALUE` on the command line wins over the files, and may be repeated. A part of the
  path that meets a list picks its items by `name`, or by number: `--set base_lr=0.1`,
  `--set net.layers.ip1.num_output=200`, `--set stages.0.until.iters=50`. The value is read as YAML.
- The solver file's `regularization`, by layer name, goes over what the net file says of that layer,
  so several solver files can share one net: `--set regularization.conv1.t=300`. Another `type`
  replaces the layer's own regularization whole. In a name `*` stands for any text, as in
  `--set 'regularization.*.type=l1'`, which is all layers with weights; of several names for a
  layer a later one goes over an earlier.
- The merged configuration is written to the run folder as `config.yaml`, and trains again as it is.

In the tables below a key that is not *required* may be left out. Where its *default* is empty, the
last column says what happens then, or leaving it out turns off what it says."""

STAGES = """\
Stages tighten the l0 constraints one after another. The names below `t` are those of layers whose
`regularization` has type `l0`, or of their groups:

```yaml
stages:
  - {name: dense, until: {iters: 500}}
  - name: half
    t: {ip1: 50%, ip2: 2500}
    until: {accuracy: {within: 0.5%, of: dense}, patience: 2, max_iters: 1000}
    on_miss: continue
  - name: all
    t: {conv1: 300, conv2: 15%, ip1: {from: 50%, to: 3%, over: 500, shape: cubic}, ip2: 20%}
```"""

BLOCKS = """\
So a deep net is a few lines. This one has eight convolutions, `layer1/0/conv` to `layer2/4/conv`:

```yaml
defaults:
  Convolution: {kernel_size: 3, pad: 1, bias_term: false, weight_filler: {type: msra}}
blocks:
  unit:
    keys: [width, stride: 1]
    layers:
      - {name: conv, type: Convolution, num_output: $width, stride: $stride}
      - {name: bn, type: BatchNormScale}
      - {name: relu, type: ReLU}
  residual:
    keys: [width]
    layers:
      - {block: unit, width: $width}
      - {name: sum, type: Eltwise, bottom: [relu, $bottom]}
  stage:
    keys: [width, rest]
    layers:
      - {name: "0", block: unit, width: $width, stride: 2}
      - {block: residual, width: $width, repeat: $rest}
layers:
  - {name: data, type: Data, source: digits, batch_size: 64}
  - {name: layer1, block: stage, width: 16, rest: 1..2}
  - {name: layer2, block: stage, width: 32, rest: 1..4}
  - {name: ip, type: InnerProduct, num_output: 10, weight_filler: {type: xavier}}
  - {name: loss, type: SoftmaxWithLoss}
```

`$key` stands for a whole value, and a longer text with a `$`, such as `conv_$width`, is refused. A
bottom within a block names a layer of the block, or else one around it. All of this is written
out as plain layers before they are checked; the run folder, checkpoints, and the solver file's
`regularization` know only those. `--set net.layers.layer1.width=8` changes what a use gives, and
`--set net.layers.layer1/0/conv.num_output=8` one layer that comes of it. What is wrong with a
block's layer in all of its uses is reported of the first."""

SWEEP = """\
`sparsenet sweep FILE` trains them all, a row of `sweep.csv` for each. This one compares four ways
to make LeNet sparse, first in its largest layer and then in all, on 1,000 digits and on all:

```yaml
solver: configs/mnist/dense.yaml
figure: sweep
seeds: [1, 2, 3]
set:
  net.layers.mnist.subset: [1000, 100%]
layers:
  ip1: ip1
  all: [conv1, conv2, ip1, ip2]
methods:
  dense: {}
  l0: {regularization: {type: l0, t: [50%, 20%, 5%], interval: 20}}
  l1: {regularization: {type: l1, weight_decay: auto}, points: 4, threshold: 0.001}
  shrink: {regularization: {type: shrink, strength: [0.01, 0.1]}}
  pruned: {prune: [50%, 20%, 5%]}
```

`dense`, which acts on no layer, is trained once for each subset and seed, and the others for each
set of layers too. What `pruned` prunes is the net that the solver trains without it. A `strength`,
`weight_decay` or other key that is `auto` is first tried by factors of ten, with the first seed:
these trials have their rows, and `points` strengths between the ends one for each seed. Of a
solver file instead, `--grid KEY.PATH=V,V,...` and `--seeds` say the same. `--set` goes over all of
it, but not over what the trials differ in."""

INTROS = {
    "Learning rate policies": """\
step is the number of updates already made, from 0. A policy needs all of its keys and takes no
others.""",
    "Solver types": """\
Caffe's steps of a weight w: g is its gradient with its regularization, rate the learning rate times
the blob's `lr_mult`, and iteration the number of updates already made. A type takes its own keys
and no others.""",
    "Layers": """\
Each takes the [keys of every layer](#keys-of-every-layer), those it shares with its relatives, and
its own.""",
    "Regularizers": """\
The `regularization` of a layer with weights, as `{type: l0, t: 5%}`; layers may differ. A layer
without one, and every bias, gets the solver's `regularization_type` with its `weight_decay`.
W is a weight and g its gradient before momentum and learning rate. The equations are those of
M. D. Collins and P. Kohli, *Memory Bounded Deep Convolutional Networks*, 2014, and of bridgeout
those of N. Khan and I. Stavness, *Pruning Convolutional Filters using Batch Bridgeout*, 2020, of
which [more is said elsewhere](bridgeout.md).""",
    "Fillers": """\
The first values x of a weight or bias, as `{type: xavier}`. With N values in a blob of shape
(num, channels, ...), fan_in = N / num and fan_out = N / channels.""",
}


def policies_table() -> str:
    """Each lr_policy with its equation and keys."""
    rows = []
    for name, policy in LR_POLICIES.items():
        equation, _, remark = _sentence(policy.function).partition("; ")
        rate = f"`{equation}`" + (f"; {remark}" if remark else "")
        rows.append([f"`{name}`", rate, ", ".join(f"`{key}`" for key in policy.keys)])
    return table(["lr_policy", "learning rate", "keys"], rows)


def types_table() -> str:
    """Each solver type with its step, and its keys with their defaults."""
    rows = []
    for name, update in UPDATES.items():
        steps = "<br>".join(f"`{step}`" for step in _sentence(update).split("; "))
        fields = dataclasses.fields(update)  # type: ignore[arg-type]
        keys = ", ".join(f"`{field.name}` ({code(field.default)})" for field in fields)
        rows.append([f"`{name}`", steps, keys])
    return table(["type", "step", "keys (default)"], rows)


def sources_table() -> str:
    """Each data set with its size, and those of which nothing is known beforehand."""
    rows = [
        [f"`{name}`", "x".join(map(str, s.shape)), str(s.classes), f"{s.train:,}", f"{s.test:,}"]
        for name, s in SOURCES.items()
    ]
    rows.append([f"`{IMAGE_FOLDER}`", "as the transform makes them", *["as in the folder"] * 3])
    rows.append([f"`{LMDB}`", "`shape`, then as the transform makes them", *["as in the LMDB"] * 3])
    header = ["source", "channels x height x width", "classes", "training", "test"]
    return table(header, rows)


def _sentence(described: object) -> str:
    """The first paragraph of a docstring in one line, without its full stop."""
    words = (described.__doc__ or "").split("\n\n")[0].split()
    return " ".join(words).removesuffix(".")
