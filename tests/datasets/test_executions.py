"""How often blocks of machine code run, from what is known of the IR's."""

from __future__ import annotations

import pytest

from costmodel.datasets.labellers.assembly import Block, split_functions
from costmodel.datasets.labellers.executions import executions
from costmodel.datasets.labellers.frequencies import Frequencies

HEAD = "\t.type\tf,@function\nf:\n"
END = ".Lfunc_end0:\n"


def _blocks(body: str, arch: str = "x86-64") -> list[Block]:
    return [block for block in split_functions(HEAD + body + END, arch)["f"].blocks if block.instructions]


def test_blocks_of_the_ir_run_as_often_as_it_says() -> None:
    blocks = _blocks("# %bb.0:   # %entry\n\tjmp .LBB0_1\n.LBB0_1:   # %loop\n\tdecl %eax\n\tjne .LBB0_1\n")
    assert executions(blocks, Frequencies(blocks={"entry": 1.0, "loop": 32.0})) == [1.0, 32.0]


def test_a_split_edge_runs_as_often_as_the_edge_is_taken() -> None:
    blocks = _blocks(
        "# %bb.0:   # %entry\n\ttestl %edi, %edi\n\tje .LBB0_2\n"
        "# %bb.1:\n\tmovl $7, %eax\n\tjmp .LBB0_3\n"
        ".LBB0_2:   # %cold\n\tcallq g\n"
        ".LBB0_3:   # %end\n\tretq\n"
    )
    known = Frequencies(
        blocks={"entry": 1.0, "cold": 0.01, "end": 1.0}, edges={("entry", "cold"): 0.01, ("entry", "end"): 0.99}
    )
    assert executions(blocks, known) == [1.0, pytest.approx(0.99), 0.01, 1.0]


def test_a_copy_of_a_return_in_a_loop_runs_once_at_most() -> None:
    blocks = _blocks(
        "# %bb.0:   # %entry\n\tmovl %esi, %ecx\n"
        ".LBB0_1:   # %loop\n\tcmpl (%rdi), %eax\n\tje .LBB0_3\n"
        "# %bb.2:   # %next\n\tdecl %ecx\n\tjmp .LBB0_1\n"
        ".LBB0_3:\n\txorl %eax, %eax\n\tretq\n"
    )
    known = Frequencies(
        blocks={"entry": 1.0, "loop": 1000.0, "next": 500.0}, edges={("loop", "next"): 0.5, ("next", "loop"): 1.0}
    )
    assert executions(blocks, known)[-1] == 1.0


def test_parts_of_a_switch_share_what_comes_to_them() -> None:
    blocks = _blocks(
        "# %bb.0:   # %entry\n\tcmpl $3, %edi\n\tja .LBB0_2\n"
        "# %bb.1:\n\tcmpl $1, %edi\n\tjb .LBB0_4\n\tjmp .LBB0_3\n"
        ".LBB0_2:   # %other\n\tretq\n"
        ".LBB0_3:   # %a\n\tretq\n"
        ".LBB0_4:   # %b\n\tretq\n"
    )
    known = Frequencies(
        blocks={"entry": 1.0, "other": 0.4, "a": 0.3, "b": 0.3},
        edges={("entry", "other"): 0.4, ("entry", "a"): 0.3, ("entry", "b"): 0.3},
    )
    assert executions(blocks, known)[1] == pytest.approx(0.6)


def test_what_nothing_names_is_reached_through_tables() -> None:
    blocks = _blocks(
        "# %bb.0:   # %entry\n\tjmpq *.LJTI0_0(,%rdi,8)\n.LBB0_1:   # %a\n\tretq\n.LBB0_2:\n\tmovl $1, %eax\n\tretq\n"
    )
    known = Frequencies(blocks={"entry": 1.0, "a": 0.75}, edges={("entry", "a"): 0.75})
    assert executions(blocks, known) == [1.0, 0.75, pytest.approx(0.25)]


@pytest.mark.parametrize("label", [".Lpcrel_hi0", ".Ltmp3"])
def test_labels_of_addresses_begin_no_block(label: str) -> None:
    blocks = _blocks(f"# %bb.0:   # %entry\n\tnop\n{label}:\n\tauipc a0, 0\n\tret\n", "riscv64")
    assert [(block.ir_name, len(block.instructions)) for block in blocks] == [("entry", 3)]


def test_without_any_frequency_control_is_followed_from_the_entry() -> None:
    blocks = _blocks("# %bb.0:\n\tje .LBB0_2\n# %bb.1:\n\tretq\n.LBB0_2:\n\tretq\n")
    assert executions(blocks, Frequencies()) == [1.0, 0.5, 0.5]
