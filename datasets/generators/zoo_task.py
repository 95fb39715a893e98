"""Importing one network and cutting it into kernels; runs inside workers only.

torch-mlir and the MLIR that the project lowers with are two libraries: the result of the first crosses as generic text.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from costmodel.core.hashing import sha256_text
from costmodel.core.tables import FunctionRow
from costmodel.core.target import Target
from costmodel.datasets.generators.base import LICENSE, Product
from costmodel.datasets.generators.linalg_task import rows_of
from costmodel.datasets.zoo import build
from costmodel.ir.mlir import parse_generic
from costmodel.search.kernel.form import Kernel
from costmodel.search.kernel.partition import KernelCall, partition
from costmodel.search.kernel.printing import print_kernel, workload_id
from costmodel.search.kernel.read import read_function
from costmodel.toolchain.normalize import normalize_linalg

PROJECT = "generator-zoo"
_ASSERTION = re.compile(r'^ *"cf\.assert"\(.*\n', re.MULTILINE)
"""Checks of what static shapes and evaluation mode make true; inside a body they keep it from being a kernel."""


def import_network(spec: tuple[tuple[str, Any], ...]) -> Product:
    """Rows of a network and its kernels."""
    fields = dict(spec)
    name, levels = fields["family"], fields["levels"]
    torch_text, linalg_text = imported(name)
    rows = list(_whole(name, torch_text, linalg_text, levels))
    target = Target.parse(fields["target"])
    for number, kernel in enumerate(_kernels(linalg_text)):
        rows += rows_of(
            print_kernel(kernel, "main"), family=kernel.family, project=PROJECT, network=name,
            levels=tuple(level for level in levels if level != "torch"), schedules=fields["schedules"],
            rng=np.random.default_rng([fields["seed"], number]), target=target,
        )  # fmt: skip
    return Product(functions=tuple({row.function_id: row for row in rows}.values()))


def imported(name: str) -> tuple[str, str]:
    """A network in the torch dialect and in linalg on tensors, weights as arguments before the inputs."""
    import torch
    from torch_mlir import fx

    torch.manual_seed(0)
    model, inputs = build(name)
    state = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    names = list(state)
    weights = [tensor.detach() for tensor in state.values()]

    class Pure(torch.nn.Module):  # type: ignore[misc]  # torch is seen as Any
        """The model as a function of weights and inputs."""

        def forward(self, weights: list[Any], *inputs: Any) -> Any:
            return torch.func.functional_call(model, dict(zip(names, weights, strict=True)), inputs)

    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        texts = []
        for kind in ("torch", "linalg-on-tensors"):
            program = torch.export.export(Pure(), (weights, *inputs), strict=False)
            module = fx.export_and_import(program, output_type=kind, func_name="main")
            operation = module.operation
            texts.append(str(operation) if kind == "torch" else str(operation.get_asm(print_generic_op_form=True)))
    return texts[0], _ASSERTION.sub("", texts[1])


def _whole(name: str, torch_text: str, linalg_text: str, levels: tuple[str, ...]) -> Iterator[FunctionRow]:
    common: dict[str, Any] = {
        "format": "mlir", "stage": "source", "entry": "main", "workload_id": sha256_text(linalg_text),
        "project": PROJECT, "family": f"network-{name}", "network": name, "language": "torch", "license": LICENSE,
    }  # fmt: skip
    if "torch" in levels:
        yield FunctionRow(ir=torch_text, level="torch", **common)
    if "linalg" in levels:
        yield FunctionRow(ir=normalize_linalg(linalg_text), level="linalg", **common)


def _kernels(text: str) -> list[Kernel]:
    """The distinct kernels of the network, in order."""
    graph = read_function(parse_generic(normalize_linalg(text)).body[0])
    found = [step.kernel for step in partition(graph).steps if isinstance(step, KernelCall)]
    return list({workload_id(kernel): kernel for kernel in found}.values())
