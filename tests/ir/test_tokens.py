import pytest

from costmodel import ir
from costmodel.core.errors import UnknownNameError


def tokens(text, scheme, **options):
    return " ".join(ir.read(text).functions[0].tokens(scheme, **options))


def test_schemes_on_a_matmul(sample):
    text = sample("matmul.mlir")
    assert tokens(text, "ops") == "<function> linalg.generic arith.mulf arith.addf linalg.yield func.return <end>"
    assert tokens(text, "ops-operands") == (
        "<function> func.func <region> tensor<4x16xf32> linalg.generic %arg0 %arg1 %arg2 <region> "
        "f32 arith.mulf %arg3 %arg4 f32 arith.addf %arg5 %var0 linalg.yield %var1 <end> func.return %var2 <end> <end>"
    )
    assert tokens(text, "anonymized") == (
        "<function> func.func llvm.emit_c_interface @func0 <region> <block> ^block0 %arg0 tensor 4 8 f32 "
        "%arg1 tensor 8 16 f32 %arg2 tensor 4 16 f32 %var0 tensor 4 16 f32 linalg.generic %arg0 %arg1 %arg2 "
        "indexing_maps affine_map<(d0,d1,d2)->(d0,d2)> affine_map<(d0,d1,d2)->(d2,d1)> affine_map<(d0,d1,d2)->(d0,d1)> "
        "iterator_types #linalg.iterator_type parallel #linalg.iterator_type parallel #linalg.iterator_type reduction "
        "operandSegmentSizes array i32 2 1 <region> <block> ^block1 %arg3 f32 %arg4 f32 %arg5 f32 "
        "%var1 f32 arith.mulf %arg3 %arg4 fastmath #arith.fastmath none "
        "%var2 f32 arith.addf %arg5 %var1 fastmath #arith.fastmath none linalg.yield %var2 <end> func.return %var0 "
        "<end> <end>"
    )


def test_branches_and_constants():
    text = (
        '"func.func"() <{sym_name = "f"}> ({\n%k = "arith.constant"() <{value = 1000 : i32}> : () -> i32\n'
        '"cf.br"(%k)[^bb1] : (i32) -> ()\n^bb1(%x: i32):\n"func.return"(%x) : (i32) -> ()\n}) : () -> ()\n'
    )
    assert tokens(text, "anonymized") == (
        "<function> func.func @func0 <region> <block> ^block0 c:2^9 i32 arith.constant value 2^9 cf.br c:2^9 ^block1 "
        "<block> ^block1 %arg0 i32 func.return %arg0 <end> <end>"
    )


def test_a_seed_draws_other_names_and_nothing_else(sample):
    text = sample("branches.mlir")
    plain, first, again, other = (tokens(text, "anonymized", seed=seed) for seed in (None, 1, 1, 2))
    assert first == again
    assert len({plain, first, other}) == 3
    kept = [token for token in plain.split() if token[0] not in "%^@"]
    assert kept == [token for token in first.split() if token[0] not in "%^@"]


def test_unknown_scheme(sample):
    with pytest.raises(UnknownNameError, match="known: ops, ops-operands, anonymized, bpe"):
        tokens(sample("matmul.mlir"), "words")
