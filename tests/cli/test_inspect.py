import io
import json
import sys
from pathlib import Path

import pytest

from costmodel.cli.main import main

DATA = Path(__file__).parent.parent / "ir" / "data"


def run(capsys, *argv):
    status = main(["inspect", *map(str, argv)])
    out, err = capsys.readouterr()
    return status, out, err


@pytest.mark.parametrize("name", ["matmul.mlir", "dot.ll", "sched.tir", "sched.tir.json"])
def test_json_holds_what_the_contract_says(capsys, name):
    status, out, err = run(capsys, DATA / name, "--format", "json")
    answer = json.loads(out)
    assert (status, err, answer["schema_version"], answer["level"]) == (0, "", 1, "graph")
    for function in answer["functions"]:
        assert function["ops"] > 0
        assert function["nodes"] > function["ops"]
        assert function["edges"] > 0
        assert function["tokens"] > function["ops"]
        assert function["resolved"] >= 0.99
        assert function["features"]["ops"] == function["ops"]
    assert answer["diagnostics"] == []


def test_text_names_the_functions(capsys):
    status, out, _ = run(capsys, DATA / "dot.ll")
    assert status == 0
    assert "llvm at graph level" in out
    assert "dot" in out


def test_standard_input_and_many_modules(capsys, monkeypatch):
    data = (DATA / "matmul.mlir").read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data + b"\n// -----\n" + data)))
    status, out, _ = run(capsys, "-", "--format", "json")
    assert status == 0
    assert len(json.loads(out)["functions"]) == 2


@pytest.mark.parametrize(("form", "mark"), [("dot", "digraph"), ("html", "<html")])
def test_pictures(capsys, form, mark):
    status, out, _ = run(capsys, DATA / "dot.ll", "--format", form)
    assert status == 0
    assert mark in out


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"hello world", b'"a.b"(', b"define i32 @f( {"])
def test_bad_input_is_one_line_and_status_2(capsys, tmp_path, content):
    path = tmp_path / "x.mlir"
    path.write_bytes(content)
    status, out, err = run(capsys, path)
    assert (status, out) == (2, "")
    assert err.startswith("costmodel: error: ")
    assert err.count("\n") == 1
