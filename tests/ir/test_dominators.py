"""Natural loops of random graphs against their definition: a back edge's target is on every way to its source."""

import numpy as np
import pytest

from costmodel import ir
from costmodel.ir.control_flow import natural_loops


def text(edges):
    lines = ["define void @f(i1 %c) {", "entry:", "  br label %b0"]
    for block, targets in enumerate(edges):
        lines.append(f"b{block}:")
        if not targets:
            lines.append("  ret void")
        elif len(targets) == 1:
            lines.append(f"  br label %b{targets[0]}")
        else:
            lines.append(f"  br i1 %c, label %b{targets[0]}, label %b{targets[1]}")
    return "\n".join([*lines, "}", ""])


def reached(edges, without=-1):
    found, stack = set(), [0] if without != 0 else []
    while stack:
        block = stack.pop()
        if block not in found:
            found.add(block)
            stack += [target for target in edges[block] if target != without]
    return found


def headers(edges):
    alive = reached(edges)
    return {
        target for block in alive for target in edges[block]
        if block == target or block not in reached(edges, without=target)
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(60))
def test_headers_are_what_dominates_the_end_of_an_edge_back(seed):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 14))
    edges = [rng.choice(count, int(rng.integers(0, 3)), replace=False).tolist() for _ in range(count)]
    region = ir.read(text(edges)).functions[0].operation.regions[0]
    assert {loop.header.label.lstrip("^%") for loop in natural_loops(region)} == {
        f"b{block}" for block in headers(edges)
    }


def test_many_blocks_that_share_an_exit_are_read():
    count = 6000
    edges = [[block + 1, count] if block % 2 else [block + 1, count + 1] for block in range(count - 1)]
    edges += [[count], [count + 1], [0]]
    region = ir.read(text(edges)).functions[0].operation.regions[0]
    assert len(natural_loops(region)) == 1
