"""What can compute a net: compiled programs, and walks that go through its layers with torch."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from torch import nn

from sparsenet.config.graph import Node
from sparsenet.errors import ConfigError
from sparsenet.execution.choice import Choice
from sparsenet.execution.methods import GROUP, Alone, Csr, Decoded, csr_bytes, dense
from sparsenet.execution.modules import built
from sparsenet.execution.structure import Structure
from sparsenet.execution.walk import Walk
from sparsenet.execution.weights import Weights, is_plain
from sparsenet.execution.whole import Whole
from sparsenet.layers.inner_product import InnerProduct
from sparsenet.program.compiler import NoCompiler, shared_object
from sparsenet.program.lowering import LOWERS

_PROBE = "int sparsenet_compiles;\n"


class Candidates:
    """Builds what is asked for, each once. Raises PackError where a layer's numbers are missing."""

    def __init__(self, structure: Structure, weights: Weights, threads: int) -> None:
        self.structure, self.weights, self.threads = structure, weights, threads
        self._plain = {n.layer.name: built(n, weights) for n in structure.nodes}
        self._weighted = {node.layer.name: node for node in structure.weighted}
        self._modules: dict[tuple[str, str, bool], nn.Module] = {}
        self._wholes: dict[int, Whole | None] = {}

    @cached_property
    def compiler(self) -> str | None:
        """What stands for the compiler, its flags and the processor; None where there is none."""
        try:
            return shared_object(_PROBE).name
        except NoCompiler:
            return None

    def allowed(self, layer: str) -> list[str]:
        """The methods that may compute a layer with weights."""
        node, encoded = self._weighted[layer], self.weights.packed[layer]
        found = ["program"] if self.compiler and type(node.layer) in LOWERS else []
        found += ["dense"] if is_plain(encoded) else ["decoded"]
        # It takes more memory than the packed bytes, and less time only where there is no program.
        found += ["csr"] if not self.compiler and isinstance(node.layer, InnerProduct) else []
        return found

    def preferring(self, method: str) -> dict[str, str]:
        """A method of each layer: this one where it is allowed, else the last that is."""
        allowed = {layer: self.allowed(layer) for layer in self._weighted}
        return {k: method if method in found else found[-1] for k, found in allowed.items()}

    def whole(self, group: int) -> Whole | None:
        """The net's program for so many images at a time; None where there is none."""
        if group not in self._wholes:
            try:
                made = Whole(self.structure, self.weights, group, self.threads)
                self._wholes[group] = made if self.compiler else None
            except (NoCompiler, ConfigError):
                self._wholes[group] = None
        return self._wholes[group]

    def walk(self, methods: Mapping[str, str], several: bool) -> Walk:
        """Torch, with these methods; `several` images at a time or one."""
        chosen = {layer: self._module(layer, how, several) for layer, how in methods.items()}
        return Walk(self.structure, self._plain | chosen, methods)

    def runner(self, choice: Choice, several: bool) -> Whole | Walk:
        """What was chosen."""
        if choice.group is not None:
            whole = self.whole(choice.group)
            assert whole is not None, "a choice is of what there is"
            return whole
        return self.walk(choice.methods, several)

    def extra_bytes(self) -> dict[str, int]:
        """What layers take beside their packed bytes, by those methods that are in use."""
        csr = {layer for layer, method, _ in self._modules if method == "csr"}
        return {layer: csr_bytes(self.weights.packed[layer]) for layer in csr}

    def _module(self, layer: str, method: str, several: bool) -> nn.Module:
        key = (layer, method, several and method == "program")
        if key not in self._modules:
            self._modules[key] = self._made(self._weighted[layer], method, several)
        return self._modules[key]

    def _made(self, node: Node, method: str, several: bool) -> nn.Module:
        if method == "program":
            return Alone(node, self.weights, GROUP if several else 1)
        make = {"dense": dense, "decoded": Decoded, "csr": Csr}[method]
        return make(node, self.weights)
