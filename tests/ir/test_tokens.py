import pytest

from costmodel import ir
from costmodel.core.errors import UnknownNameError


def tokens(text, scheme, **options):
    return " ".join(ir.read(text).functions[0].tokens(scheme, **options))


def test_schemes_on_a_matmul(sample):
    text = sample("matmul.mlir")
    assert tokens(text, "ops") == "<function> linalg.generic arith.mulf arith.addf linalg.yield func.return <end>"
    assert tokens(text, "ops-operands") == (
        "<function> func.func <region> tensor:4x16xf32 linalg.generic a0 a1 a2 <region> "
        "f32 arith.mulf a3 a4 f32 arith.addf a5 v0 linalg.yield v1 <end> func.return v2 <end> <end>"
    )
    assert tokens(text, "anonymized") == (
        "<function> func.func llvm.emit_c_interface unit <region> <block> b0 a0 tensor:4x8xf32 a1 tensor:8x16xf32 "
        "a2 tensor:4x16xf32 v0 tensor:4x16xf32 linalg.generic a0 a1 a2 indexing_maps "
        "[affine_map<(d0,d1,d2)->(d0,d2)>,affine_map<(d0,d1,d2)->(d2,d1)>,affine_map<(d0,d1,d2)->(d0,d1)>] "
        "iterator_types [#linalg.iterator_type<parallel>,#linalg.iterator_type<parallel>,"
        "#linalg.iterator_type<reduction>] operandSegmentSizes array<i32:2,1> <region> <block> b1 a3 f32 a4 f32 a5 f32 "
        "v1 f32 arith.mulf a3 a4 fastmath #arith.fastmath<none> v2 f32 arith.addf a5 v1 fastmath #arith.fastmath<none> "
        "linalg.yield v2 <end> func.return v0 <end> <end>"
    )


def test_branches_and_constants():
    text = (
        '"func.func"() <{sym_name = "f"}> ({\n%k = "arith.constant"() <{value = 1000 : i32}> : () -> i32\n'
        '"cf.br"(%k)[^bb1] : (i32) -> ()\n^bb1(%x: i32):\n"func.return"(%x) : (i32) -> ()\n}) : () -> ()\n'
    )
    assert tokens(text, "anonymized") == (
        "<function> func.func <region> <block> b0 c:2^9 i32 arith.constant value 2^9 cf.br c:2^9 b1 "
        "<block> b1 a0 i32 func.return a0 <end> <end>"
    )


def test_a_seed_draws_other_names_and_nothing_else(sample):
    text = sample("branches.mlir")
    plain, first, again, other = (tokens(text, "anonymized", seed=seed) for seed in (None, 1, 1, 2))
    assert first == again
    assert len({plain, first, other}) == 3
    kept = [token for token in plain.split() if token[0] not in "abv"]
    assert kept == [token for token in first.split() if token[0] not in "abv"]


def test_unknown_scheme(sample):
    with pytest.raises(UnknownNameError, match="known: ops, ops-operands, anonymized"):
        tokens(sample("matmul.mlir"), "words")
