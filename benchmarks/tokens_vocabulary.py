"""Builds the vocabularies that come with the package: `python benchmarks/tokens_vocabulary.py [FOLDER]`.

The corpus is made here: every generated operator family at drawn sizes, as linalg, as affine loops, as scf loops on
buffers, in the LLVM dialect, as LLVM IR before and after optimisation for three architectures. To that come the
operations and attributes that the graph's vocabulary knows, and the first names of each class. The same versions of
the wheels give the same files.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from costmodel import ir
from costmodel.datasets.linalg import FAMILIES, draw_sizes
from costmodel.ir import vocabulary_v1
from costmodel.ir.tokens.names import ARGUMENT, BLOCK_NAME, RESULT, SYMBOL, constant_token, magnitude
from costmodel.ir.tokens.vocabulary import Vocabulary

SEED = 0
DRAWS = 3
SIZES = {"ops": 4096, "ops-operands": 16384, "anonymized": 8192, "bpe": 4096}
MIN_COUNT = 2
TARGETS = {
    "x86_64-unknown-linux-gnu": "x86-64-v3",
    "aarch64-unknown-linux-gnu": "neoverse-v2",
    "riscv64-unknown-linux-gnu": "sifive-p670",
}
_BUFFERS = (
    "builtin.module(linalg-fuse-elementwise-ops,canonicalize,cse,one-shot-bufferize{bufferize-function-boundaries=true "
    "function-boundary-type-conversion=identity-layout-map},canonicalize,cse)"
)
_TO_LLVM = (
    "builtin.module(convert-scf-to-cf,expand-strided-metadata,lower-affine,convert-math-to-llvm,convert-math-to-libm,"
    "finalize-memref-to-llvm,convert-arith-to-llvm,convert-index-to-llvm,convert-func-to-llvm,convert-cf-to-llvm,"
    "convert-ub-to-llvm,reconcile-unrealized-casts)"
)
_NAMED_NUMBERS = {RESULT: 512, ARGUMENT: 128, BLOCK_NAME: 128, SYMBOL: 64}


def levels(text: str) -> Iterator[str]:
    """The module at each level of lowering: generic MLIR, then LLVM IR."""
    from mlir.dialects import llvm as dialect
    from mlir.ir import Context, Module
    from mlir.passmanager import PassManager

    with Context():
        module = Module.parse(text)
        yield printed(module)
        PassManager.parse(_BUFFERS).run(module.operation)
        yield printed(module)
        affine = Module.parse(str(module))
        PassManager.parse("builtin.module(func.func(convert-linalg-to-affine-loops),canonicalize)").run(
            affine.operation
        )
        yield printed(affine)
        PassManager.parse("builtin.module(func.func(convert-linalg-to-loops),canonicalize,cse)").run(module.operation)
        yield printed(module)
        PassManager.parse(_TO_LLVM).run(module.operation)
        yield printed(module)
        translated = str(dialect.translate_module_to_llvmir(module.operation))
    yield translated
    for triple, cpu in TARGETS.items():
        yield optimised(translated, triple, cpu)


def printed(module: Any) -> str:
    """Generic form."""
    return str(module.operation.get_asm(print_generic_op_form=True))


def optimised(text: str, triple: str, cpu: str) -> str:
    """LLVM's own pipeline for one CPU."""
    import llvmlite.binding as llvm

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    machine = llvm.Target.from_triple(triple).create_target_machine(cpu=cpu, opt=3)
    module = llvm.parse_assembly(text)
    module.triple = machine.triple
    tuning = llvm.create_pipeline_tuning_options(speed_level=3)
    tuning.loop_vectorization = tuning.slp_vectorization = True
    builder = llvm.create_pass_builder(machine, tuning)
    builder.getModulePassManager().run(module, builder)
    return str(module)


def corpus(draws: int = DRAWS) -> Iterator[ir.Function]:
    """Every function of every level."""
    rng = np.random.default_rng(SEED)
    for name, family in FAMILIES.items():
        for _ in range(draws):
            for text in levels(family.text(draw_sizes(name, rng))):
                yield from ir.read(text).functions


def common(scheme: str) -> list[str]:
    """Tokens that belong in whatever the corpus says, each often enough to stay."""
    names = [name for name in vocabulary_v1.NAMES if ":" not in name and "." in name]
    if scheme == "ops":
        return names
    found = [*names, *(f"{kind}{number}" for kind, count in _NAMED_NUMBERS.items() for number in range(count))]
    numbers = [0, *(sign * 2.0**power for sign in (1, -1) for power in range(64)), *range(17), *range(-16, 0)]
    fractions = [sign * 1.5 * 2.0**power for sign in (1, -1) for power in range(-40, 12)]
    sizes = [magnitude(number) for number in (*numbers, *fractions)]
    found += [constant_token(number) for number in (*numbers, *fractions, None, float("inf"), float("nan"))]
    found += [constant_token(float("-inf")), "inf", "-inf", "nan"]
    scalars = "i1 i8 i16 i32 i64 f16 bf16 f32 f64 index".split()
    if scheme == "ops-operands":
        return [*found, *scalars, "!llvm.ptr"]
    attributes = [name.partition(":")[2] for name in vocabulary_v1.NAMES if name.startswith("attribute:")]
    return [*found, *sizes, *scalars, *attributes, *"tensor memref vector ? * !llvm.ptr !llvm.array".split()]


def build(functions: list[ir.Function], scheme: str) -> Vocabulary:
    """One vocabulary; names beyond those of `common` are left to the unknown token."""
    source = "anonymized" if scheme == "bpe" else scheme
    known = frozenset(common(source))
    sequences = [_without_rare_names(function.tokens(source), known) for function in functions]
    extra = [common(source)] * MIN_COUNT
    if scheme == "bpe":  # so that any word can be spelled
        extra += [[chr(code) for code in range(33, 127)]] * MIN_COUNT
    return Vocabulary.build([*sequences, *extra], scheme, min_count=MIN_COUNT, max_size=SIZES[scheme])


def _without_rare_names(tokens: list[str], known: frozenset[str]) -> list[str]:
    return [token for token in tokens if token[0] not in "%^@" or token in known]


def main() -> None:
    """Write the files and say what they hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent.parent / "ir" / "tokens")
    folder = parser.parse_args().folder
    functions = list(corpus())
    for scheme in SIZES:
        vocabulary = build(functions, scheme)
        vocabulary.save(folder / f"vocabulary_{scheme.replace('-', '_')}.json")
        print(f"{scheme}: {len(vocabulary)} tokens from {len(functions)} functions")


if __name__ == "__main__":
    main()
