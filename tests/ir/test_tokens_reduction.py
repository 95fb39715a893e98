import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel.core.errors import UsageError
from costmodel.ir.tokens import SPECIAL
from costmodel.ir.tokens.reduction import MIN_TOKENS, reduce

LOOP = (
    "<function> func.func @func0 <region> <block> ^block0 %arg0 memref 8 f32 c:2^5 index arith.constant value 2^5 "
    "scf.for c:0 c:2^5 c:1 <region> <block> ^block1 %arg1 index %var0 f32 memref.load %arg0 %arg1 nontemporal false "
    "%var1 f32 arith.addf %var0 %var0 fastmath #arith.fastmath none %var2 f32 arith.mulf %var1 %var1 fastmath "
    "#arith.fastmath none scf.yield <end> func.return <end> <end>"
).split()


def balanced(tokens):
    depth = 0
    for position, token in enumerate(tokens):
        depth += (token in ("<function>", "<region>")) - (token == "<end>")
        if depth < 0 or (depth == 0 and position < len(tokens) - 1):
            return False
    return depth == 0


def test_what_fits_stays():
    assert reduce(LOOP, len(LOOP)) == LOOP


def test_words_of_attributes_go_first():
    shorter = reduce(LOOP, len(LOOP) - 3)
    assert "nontemporal" not in shorter
    assert "memref.load" in shorter
    assert "c:2^5" in shorter


def test_repeated_operations_become_one_with_their_number():
    line = "%var{} f32 arith.mulf %var0 %var0"
    tokens = ["<function>", *" ".join(line.format(k) for k in range(1, 50)).split(), "<end>"]
    assert reduce(tokens, 20) == ["<function>", *line.format(1).split(), "<repeat>", "2^5", "<end>"]


def test_innermost_operations_outlive_the_others():
    shorter = reduce(LOOP, 22)
    assert "arith.addf" in shorter
    assert "scf.for" in shorter
    assert "arith.constant" not in shorter


def test_too_small_a_limit_is_refused():
    with pytest.raises(UsageError, match="at least 4"):
        reduce(LOOP, MIN_TOKENS - 1)


@st.composite
def functions(draw):
    words = st.sampled_from("a.b arith.constant %var1 f32 c:3 value 2^4 fast x.y %arg2 i32 ^block3".split())

    def region(depth):
        found = ["<region>", *(["<block>", "^block1"] if draw(st.booleans()) else [])]
        for _ in range(draw(st.integers(0, 4))):
            found += draw(st.lists(words, max_size=12))
            if depth and draw(st.booleans()):
                found += ["scf.for", *region(depth - 1)]
        return [*found, "<end>"]

    return ["<function>", "func.func", *region(3), "<end>"]


@settings(max_examples=60)
@given(functions(), st.integers(MIN_TOKENS, 120))
def test_always_short_enough_balanced_and_repeatable(tokens, limit):
    found = reduce(tokens, limit)
    assert len(found) <= limit
    assert balanced(found)
    assert found == reduce(tokens, limit)
    assert set(found) - set(SPECIAL) <= {*tokens, *map(str, range(17))} | {f"2^{k}" for k in range(9)}


@settings(max_examples=30)
@given(st.lists(st.sampled_from([*SPECIAL, "a.b", "%var1", "c:1", "f32"]), max_size=80), st.integers(MIN_TOKENS, 40))
def test_any_sequence_is_reduced(tokens, limit):
    assert len(reduce(tokens, limit)) <= limit
