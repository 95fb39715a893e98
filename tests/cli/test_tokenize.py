from pathlib import Path

import pytest

from costmodel.cli.main import main
from costmodel.ir.tokens import SCHEMES
from costmodel.ir.tokens.vocabulary import Vocabulary

DATA = Path(__file__).parent.parent / "ir" / "data"


def run(capsys, *argv):
    status = main(["tokenize", *map(str, argv)])
    out, err = capsys.readouterr()
    return status, out, err


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_prints_a_line_a_function_and_the_unknown_share(capsys, scheme):
    if scheme == "bpe":
        pytest.importorskip("tokenizers", reason="needs the tokens extra")
    status, out, err = run(capsys, DATA / "dot.ll", "--scheme", scheme)
    assert status == 0
    assert out.count("\n") == 1
    assert out.startswith("<function> ")
    assert "(0.00%) out of the shipped vocabulary" in err


def test_a_vocabulary_gives_numbers(capsys, tmp_path):
    vocabulary = Vocabulary.build([["llvm.br", "llvm.load"]], "ops")
    vocabulary.save(tmp_path / "v.json")
    status, out, err = run(capsys, DATA / "dot.ll", "--vocab", tmp_path / "v.json")
    assert status == 0
    assert out.split()[:2] == ["2", str(vocabulary.index["llvm.br"])]
    assert "13 tokens, 8 of them (61.54%) out of " in err


def test_seeds_and_limits(capsys):
    plain = run(capsys, DATA / "dot.ll")[1]
    assert run(capsys, DATA / "dot.ll")[1] == plain
    seeded = run(capsys, DATA / "dot.ll", "--seed", "3")[1]
    assert seeded != plain
    assert run(capsys, DATA / "dot.ll", "--seed", "3")[1] == seeded
    assert len(run(capsys, DATA / "dot.ll", "--max-tokens", "30")[1].split()) <= 30


@pytest.mark.parametrize(
    "arguments", [["--seed", "-1"], ["--max-tokens", "2"], ["--vocab", "/no/such"], ["--scheme", "words"]]
)
def test_misuse_is_one_line_and_status_2(capsys, arguments):
    status, out, err = run(capsys, DATA / "dot.ll", *arguments)
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
