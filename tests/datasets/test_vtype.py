"""Which vector type RISC-V blocks are simulated with."""

import pytest

from costmodel.core.tables import FunctionRow
from costmodel.datasets.labellers.assembly import Block, Instruction
from costmodel.datasets.labellers.vtype import vector_marks
from costmodel.datasets.labelling import label_functions


def block(*lines):
    parts = [line.partition(" ") for line in lines]
    return Block(label="b", instructions=[Instruction(mnemonic=m, operands=o, comment="") for m, _, o in parts])


WIDE = block("vsetvli a0, a1, e32, m8, ta, ma", "vadd.vv v8, v16, v24")
ADDS = block("addi a0, a0, 1", "vadd.vv v8, v16, v24")
WHOLE = block("addi a0, a0, 1", "ret")


def test_blocks_without_a_type_of_their_own_have_the_last_one():
    marks = ("LLVM-MCA-RISCV-LMUL M8", "LLVM-MCA-RISCV-SEW E32")
    assert vector_marks([WIDE, ADDS, WHOLE]) == [(), marks, ()]


def test_a_block_before_the_first_type_has_that_one():
    half = block("vsetivli zero, 4, e16, mf2, ta, ma", "vadd.vv v8, v9, v10")
    assert vector_marks([ADDS, half, WIDE])[0] == ("LLVM-MCA-RISCV-LMUL MF2", "LLVM-MCA-RISCV-SEW E16")
    assert vector_marks([ADDS]) == [("LLVM-MCA-RISCV-LMUL M1", "LLVM-MCA-RISCV-SEW E64")]


def row(parts):
    """A loop over so many vectors an iteration, its type chosen before it."""
    body = "".join(
        f"  %p{i} = getelementptr <4 x float>, ptr %at, i64 {i}\n  %v{i} = load <4 x float>, ptr %p{i}\n"
        f"  %w{i} = fmul <4 x float> %v{i}, %k\n  store <4 x float> %w{i}, ptr %p{i}\n"
        for i in range(parts)
    )
    text = f"""define void @f(ptr %p, i64 %n, <4 x float> %k) {{
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %j, %loop ]
  %at = getelementptr <4 x float>, ptr %p, i64 %i
{body}  %j = add i64 %i, {parts}
  %more = icmp ult i64 %j, %n
  br i1 %more, label %loop, label %done
done:
  ret void
}}
"""
    return FunctionRow(
        ir=text, format="llvm", level="llvm", stage="after-optimisation", entry="f", project="p", family="c",
        license="MIT",
    )  # fmt: skip


@pytest.mark.toolchain("llvm-mca", "opt")
def test_a_long_block_is_simulated_with_the_type_that_was_chosen_before_it():
    parts = 20, 160
    labels = label_functions([row(n) for n in parts], ["riscv64/sifive-p670"], metrics=["cycles"], jobs=1)
    if labels[0].value is None:
        pytest.skip(f"no llvm-mca that knows RISC-V: {labels[0].cause}")
    short, long = (label.value / count for label, count in zip(labels, parts, strict=True))
    assert long == pytest.approx(short, rel=0.5)
