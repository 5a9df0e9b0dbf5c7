"""The C text of a program's calls: kernels, sizes, and one line an operation."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from sparsenet.program.operation import (
    Argument,
    Blob,
    Field,
    Numbers,
    Operation,
    Packed,
    Pool,
    Rectifier,
    Sizes,
    Sweep,
)
from sparsenet.program.plan import Program
from sparsenet.program.shaking import kernels
from sparsenet.storage.encoded import Encoded

_INDEXED = {1: 2**8, 2: 2**16, 4: 2**32}


@dataclass
class Calls:
    """Collects the text of a program.

    `array` gives the expression of a weight or of numbers.
    """

    program: Program
    array: Callable[[Packed | Numbers], str]
    declared: dict[str, str] = field(default_factory=dict)
    """Names of sizes and tables by the text that follows them."""
    sweeps: dict[str, str] = field(default_factory=dict)
    pools: dict[tuple[str, str], str] = field(default_factory=dict)
    """Names of functions by the kernel and the sizes that they pool a plane with."""

    def lines(self) -> list[str]:
        """One call an operation, as an expression."""
        return [self._call(operation) for operation in self.program.operations]

    def text(self, more: Collection[str] = ()) -> str:
        """The kernels and sizes that these lines need, and `more`; to be asked for after them."""
        weights = [a.encoded for o in self.program.operations for a in _packed(o)]
        called = {operation.kernel for operation in self.program.operations} | set(more)
        called |= {_find(one) for one in weights} | {_decode(one) for one in weights}
        called |= {"sweep"} if self.sweeps else set()
        called |= {kernel for kernel, _ in self.pools}
        shared = sorted({one.values.bits for one in weights if _is_shared(one)})
        called |= {"look_up"} if shared else set()
        kernels_of = sorted({math.prod(w.shape[2:]) for w in weights if _is_periodic(w)})
        called |= {"find_in_table"} if kernels_of else set()
        parts = [f"#define GROUP {self.program.group}\n", kernels(called)]
        parts += self.sweeps.values()
        parts += [
            _POOL.format(name=name, kernel=kernel, sizes=sizes)
            for (kernel, sizes), name in self.pools.items()
        ]
        parts += [_SHARED.format(bits=bits) for bits in shared]
        parts += [_PERIODIC.format(taps=taps) for taps in kernels_of]
        parts += [f"static const {name}{text};\n" for text, name in self.declared.items()]
        return "\n".join(parts)

    def _call(self, operation: Operation) -> str:
        blobs = (*operation.reads, operation.write, *operation.scratch)
        arguments = [self._blob(blob) for blob in blobs]
        arguments += [self._argument(argument) for argument in operation.arguments]
        return f"{operation.kernel}(count, {', '.join(arguments)})"

    def rows(self, operation: Operation) -> str:
        """The call that computes rows of a `multiply` alone, from `part` to `end`."""
        (source,) = operation.reads
        inputs, _, *others = map(self._argument, operation.arguments)
        blobs = f"{self._blob(source)}, {self._blob(operation.write)}"
        return f"multiply_rows({blobs}, {inputs}, *part, end, {', '.join(others)})"

    def _blob(self, blob: Blob) -> str:
        if blob is self.program.image:
            return "images"
        if blob is self.program.scores:
            return "scores"
        return f"arena + {self.program.places[blob] * self.program.group}" if blob.size else "NULL"

    def _argument(self, argument: Argument) -> str:
        if isinstance(argument, Packed):
            encoded = argument.encoded
            return f"{self.array(argument)}, {_find(encoded)}, {_decode(encoded)}"
        if isinstance(argument, Numbers):
            return self.array(argument)
        if isinstance(argument, Sizes):
            return f"&{self._sizes(argument)}"
        if isinstance(argument, Rectifier):
            return f"(struct rectifier){_rectifier(argument)}"
        if isinstance(argument, float):
            return number(argument)
        return "NULL" if argument is None else str(argument)

    def _sizes(self, sizes: Sizes) -> str:
        return self._name(f"struct {sizes.struct}", "sizes", f" = {self._inside(sizes)}")

    def _inside(self, sizes: Sizes) -> str:
        fields = ", ".join(f".{name} = {self._field(one)}" for name, one in sizes.fields.items())
        return f"{{{fields}}}"

    def _field(self, value: Field) -> str:
        if isinstance(value, tuple):
            table = f"[{len(value)}] = {{{', '.join(map(str, value))}}}"
            return self._name("uint32_t", "taps", table)
        if isinstance(value, Sweep):
            return self._sweep(value)
        if isinstance(value, Pool):
            pooling = value.kernel, self._inside(value.sizes)
            return self.pools.setdefault(pooling, f"pool_{len(self.pools)}")
        if isinstance(value, Rectifier):
            return _rectifier(value)
        return "NULL" if value is None else str(value)

    def _sweep(self, sweep: Sweep) -> str:
        """The name of a function that is compiled for these numbers alone."""
        name = f"sweep_{sweep.rows}x{sweep.columns}_{sweep.pitch}"
        self.sweeps[name] = _SWEEP.format(name=name, sweep=sweep)
        return name

    def _name(self, kind: str, stem: str, text: str) -> str:
        """The name of what is declared by this text, which may be there already."""
        known = self.declared.setdefault(text, f"{kind} {stem}_{len(self.declared)}")
        return known.rpartition(" ")[2]


_SWEEP = """static void {name}(const float *in, const uint32_t *offsets, const float *values,
                   int count, const float *bias, float *sums)
{{
    sweep({sweep.rows}, {sweep.columns}, {sweep.pitch}, in, offsets, values, count, bias, sums);
}}
"""
_POOL = """static void {name}(const float *in, float *out, float *line)
{{
    static const struct pooling sizes = {sizes};
    {kernel}(in, out, line, &sizes);
}}
"""
_SHARED = """static void decode_shared{bits}(struct reader *r, int count)
{{
    look_up(r, count, {bits});
}}
"""

_PERIODIC = """static int find_periodic{taps}(struct reader *r)
{{
    return find_in_table(r, {taps});
}}
"""


def number(value: float) -> str:
    """A float32 in C, which reads it back exactly."""
    if not math.isfinite(value):
        return "NAN" if math.isnan(value) else "INFINITY" if value > 0 else "-INFINITY"
    text = f"{value:.9g}"
    return text + ("f" if set(".e") & set(text) else ".0f")


def _rectifier(by: Rectifier) -> str:
    return f"{{{number(by.slope)}, {number(by.cap)}}}"


def _packed(operation: Operation) -> list[Packed]:
    return [argument for argument in operation.arguments if isinstance(argument, Packed)]


def _is_shared(encoded: Encoded) -> bool:
    return encoded.values.name.startswith("shared:")


def _is_periodic(encoded: Encoded) -> bool:
    return encoded.format.name == "periodic"


def index_width(encoded: Encoded) -> int:
    """Bytes of a number of the index."""
    if encoded.format.name == "indexed":
        size = math.prod(encoded.shape)
        return next(width for width, most in _INDEXED.items() if size <= most)
    return 4 if encoded.format.name == "csr" else 1


def _find(encoded: Encoded) -> str:
    kind = encoded.format.name
    own = {"indexed": index_width(encoded), "periodic": math.prod(encoded.shape[2:])}
    return f"find_{kind}{own.get(kind, '')}"


def _decode(encoded: Encoded) -> str:
    kind = f"shared{encoded.values.bits}" if _is_shared(encoded) else encoded.values.name
    return f"decode_{kind}"


def packed_arrays(program: Program) -> list[Packed]:
    """The weights of a program, in the order of its operations."""
    return [weight for operation in program.operations for weight in _packed(operation)]


def number_arrays(program: Program) -> list[Numbers]:
    """Its biases and other numbers, likewise."""
    arguments = [a for operation in program.operations for a in operation.arguments]
    return [argument for argument in arguments if isinstance(argument, Numbers)]
