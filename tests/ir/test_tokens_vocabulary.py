import json

import pytest

from costmodel.core.errors import ParseError, UsageError
from costmodel.ir.tokens import SCHEMES, SPECIAL
from costmodel.ir.tokens.vocabulary import Vocabulary, shipped

CORPUS = [["<function>", "a.b", "a.b", "c.d", "<end>"], ["<function>", "c.d", "e.f", "a.b", "<end>"]]


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "v.json"
    Vocabulary.build(CORPUS, "ops").save(path)
    return path


def test_built_by_count_with_special_tokens_first():
    vocabulary = Vocabulary.build(CORPUS, "ops")
    assert vocabulary.tokens == (*SPECIAL, "a.b", "c.d", "e.f")
    assert Vocabulary.build(CORPUS, "ops", min_count=2).tokens[len(SPECIAL) :] == ("a.b", "c.d")
    assert len(Vocabulary.build(CORPUS, "ops", max_size=len(SPECIAL) + 1)) == len(SPECIAL) + 1


def test_encode_decode_and_the_unknown_share():
    vocabulary = Vocabulary.build(CORPUS, "ops")
    encoding = vocabulary.encode(["<function>", "a.b", "new.op", "<end>"])
    assert encoding.ids.dtype == "int32"
    assert encoding.unknown_share == 0.25
    assert vocabulary.decode(encoding.ids) == ["<function>", "a.b", "<unk>", "<end>"]
    assert vocabulary.encode([]).unknown_share == 0.0
    with pytest.raises(UsageError, match="is not in"):
        vocabulary.decode([len(vocabulary)])


def test_saving_and_loading(saved):
    assert Vocabulary.load(saved, scheme="ops") == Vocabulary.build(CORPUS, "ops")
    with pytest.raises(UsageError, match="is of scheme 'ops', not 'bpe'"):
        Vocabulary.load(saved, scheme="bpe")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 2}, "schema_version is 2"),
        ({"tokens_version": 0}, "made for version 0"),
        ({"kind": "other"}, "is no vocabulary"),
        ({"tokens": ["a"]}, "do not match their checksum"),
        ({"tokens": [1]}, "no text"),
        ({"merges": [["a"]]}, "expected pairs"),
    ],
)
def test_what_is_refused(saved, change, message):
    saved.write_text(json.dumps({**json.loads(saved.read_text()), **change}))
    with pytest.raises(ParseError, match=message):
        Vocabulary.load(saved)


def test_files_that_are_no_vocabulary(tmp_path):
    path = tmp_path / "v.json"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ParseError, match="not UTF-8"):
        Vocabulary.load(path)
    path.write_text('{"kind": \n oops')
    with pytest.raises(ParseError, match=r"v\.json:2:2: this vocabulary is no JSON"):
        Vocabulary.load(path)
    with pytest.raises(UsageError, match="cannot read vocabulary"):
        Vocabulary.load(tmp_path / "absent.json")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_has_a_shipped_vocabulary(scheme):
    vocabulary = shipped(scheme)
    assert vocabulary.scheme == scheme
    assert vocabulary.index["<unk>"] == 1
    assert len(vocabulary) > 100


def test_bpe_cuts_tokens_into_known_pieces():
    pytest.importorskip("tokenizers", reason="needs the tokens extra")
    vocabulary = shipped("bpe")
    pieces = vocabulary.pieces(["<function>", "arith.addf", "brand.new_op", "<end>"])
    assert pieces[:2] == ["<function>", "▁arith.addf"]
    assert "".join(pieces[2:-1]) == "▁brand.new_op"
    assert vocabulary.encode(pieces).unknown == 0


def test_bpe_training_is_repeatable_and_loads(tmp_path):
    pytest.importorskip("tokenizers", reason="needs the tokens extra")
    corpus = [["arith.addf", "arith.mulf", "%var1", "%var12"] * 5]
    first = Vocabulary.build(corpus, "bpe", max_size=60)
    assert first == Vocabulary.build(corpus, "bpe", max_size=60)
    first.save(tmp_path / "b.json")
    loaded = Vocabulary.load(tmp_path / "b.json")
    assert loaded.pieces(corpus[0]) == first.pieces(corpus[0])
