"""`costmodel tune` with bad input: one line that says what and where, status 2, and nothing left behind."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from costmodel.cli.main import main
from costmodel.search.database import Database

DATA = Path(__file__).parent.parent / "data" / "tune"
IDENTITY = str(DATA / "identity.mlir")
TENSOR = "tensor<4x4xf32>"


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def refused(capsys, *arguments: object) -> str:
    """The one line on standard error."""
    before = sorted(Path().rglob("*"))
    status = main(["tune", *map(str, arguments)])
    captured = capsys.readouterr()
    assert status == 2, captured.err
    assert captured.out == ""
    assert captured.err.startswith("costmodel: error: ")
    assert captured.err.count("\n") == 1
    assert sorted(Path().rglob("*")) == before, "something was left behind"
    return captured.err.removeprefix("costmodel: error: ").strip()


def unary(operation: str, before: str = TENSOR, after: str = TENSOR) -> str:
    return f"func.func @f(%a: {before}) -> {after} {{\n  %0 = {operation}\n  return %0 : {after}\n}}\n"


MLIR = {
    "empty": ("", "in.mlir:1:1: the file is empty; expected MLIR text"),
    "blank": (" \n\n", "in.mlir:1:1: the text is empty"),
    "no_ir": ("hello world\n", "in.mlir:1:1: custom op 'hello' is unknown"),
    "unknown_dialect": (unary(f"foo.bar %a : {TENSOR}"), "in.mlir:2:8: unknown dialect 'foo' of the operation"),
    "unknown_generic": (
        unary(f'"foo.bar"(%a) : ({TENSOR}) -> {TENSOR}'),
        "in.mlir:2:17: unknown dialect of the operation 'foo.bar'",
    ),
    "types": (unary("arith.addf %a, %b : tensor<4x5xf32>"), "in.mlir:2:19: "),
    "truncated": ("func.func @f(%a: tensor<4x4xf32>) -> ten", "in.mlir:1:37: "),
    "dynamic": (
        unary("math.exp %a : tensor<?x4xf32>", "tensor<?x4xf32>", "tensor<?x4xf32>"),
        "in.mlir:1:1: 'f' has the dynamic type tensor<?x4xf32>; make its shapes static",
    ),
    "zero": (
        unary("math.exp %a : tensor<0x4xf32>", "tensor<0x4xf32>", "tensor<0x4xf32>"),
        "in.mlir:1:1: 'f' has the type tensor<0x4xf32>: a dimension of size zero",
    ),
    "no_tensors": ("func.func @f(%a: i32) -> i32 {\n  return %a : i32\n}\n", "in.mlir:1:1: function 'f' works on i32"),
    "no_body": (f"func.func private @f({TENSOR}) -> {TENSOR}\n", "in.mlir: holds no function with a body"),
    "no_types": ("func.func @f() {\n  return\n}\n", "in.mlir:1:1: function 'f' works on nothing"),
}


@pytest.mark.parametrize("name", MLIR)
def test_mlir(capsys, name):
    text, message = MLIR[name]
    Path("in.mlir").write_text(text)
    assert refused(capsys, "in.mlir", "-o", "OUT").startswith(message)


def test_the_place_in_a_later_module_is_that_in_the_file(capsys):
    Path("in.mlir").write_text(Path(IDENTITY).read_text() + "// -----\n" + unary(f"foo.bar %a : {TENSOR}"))
    assert refused(capsys, "in.mlir", "-o", "OUT").startswith("in.mlir:6:8: unknown dialect 'foo'")


def test_two_modules_with_one_name(capsys):
    text = Path(IDENTITY).read_text()
    Path("in.mlir").write_text(f"{text}// -----\n{text}")
    assert refused(capsys, "in.mlir", "-o", "OUT").startswith("in.mlir: two modules have a function 'identity'")


def test_bytes_that_are_no_text(capsys):
    Path("in.mlir").write_bytes(b"\xff\xfe\x00")
    assert refused(capsys, "in.mlir", "-o", "OUT") == "in.mlir: byte 0 is not UTF-8; expected MLIR text"


def test_files_that_are_none(capsys):
    Path("folder.mlir").mkdir()
    Path("in.txt").write_text("x")
    Path("empty.onnx").touch()
    assert refused(capsys, "absent.mlir", "-o", "OUT").startswith("absent.mlir: no such file")
    assert refused(capsys, "folder.mlir", "-o", "OUT").startswith("folder.mlir: is a folder")
    assert refused(capsys, "in.txt", "-o", "OUT") == "in.txt: expected a file that ends in .onnx or .mlir"
    assert refused(capsys, "empty.onnx", "-o", "OUT") == "empty.onnx:1:1: the file is empty; expected an ONNX model"


USAGE = {
    "--strategy annealing": "unknown strategy 'annealing'; known: evolutionary, random",
    "--target nonsense": "unknown target 'nonsense'; known: native, ",
    "--target riscv64/sifive-p670": "--target riscv64/sifive-p670: only this machine can be measured, ",
    "--threads 2": "--threads 2: only 1 is possible until parallel loops are a knob",
    "--trials -1": "--trials -1: expected 0 or more",
    "--seconds 0": "--seconds 0: expected a positive number",
    "--seconds nan": "--seconds nan: expected a positive number",
    "--seed -1": "--seed -1: expected 0 or more",
    "--input x=4,4": f"{IDENTITY}: --input sets shapes of ONNX inputs",
    "--input x": "--input 'x': expected NAME=1,3,48,192 with positive sizes",
    "--input x=4,y": "--input 'x=4,y': expected NAME=1,3,48,192",
    "--input x=4,0": "--input 'x=4,0': expected NAME=1,3,48,192",
    "--input x=4 --input x=5": "--input x=…: given twice",
}


@pytest.mark.parametrize("options", USAGE)
def test_usage(capsys, options):
    assert refused(capsys, IDENTITY, "-o", "OUT", *options.split()).startswith(USAGE[options])


def test_folders_that_cannot_be(capsys):
    Path("file").touch()
    Path("used").mkdir()
    Path("used/thing").touch()
    assert refused(capsys, IDENTITY, "-o", "file").startswith("file is a file")
    assert refused(capsys, IDENTITY, "-o", "used").startswith("used exists; add --resume")
    assert refused(capsys, IDENTITY, "-o", "file/a/OUT").startswith("file/a/OUT cannot be written: Not a directory")
    assert refused(capsys, IDENTITY, "-o", "/proc/OUT").startswith("/proc/OUT cannot be written: ")


def test_databases_that_cannot_be(capsys, tmp_path):
    with Database.open("sound.db"):
        pass
    shutil.copy("sound.db", "newer.db")
    with sqlite3.connect("newer.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    content = bytearray(Path("sound.db").read_bytes())
    content[4096:8192] = b"\x55" * 4096
    Path("damaged.db").write_bytes(content)
    Path("text.db").write_text("not a database, but long enough for one")
    for name, message in (
        ("newer.db", "newer.db: the database has version 99"),
        ("damaged.db", "damaged.db: the record database is damaged"),
        ("text.db", "text.db: this is not a record database"),
        ("absent/x.db", "absent/x.db: its folder does not exist"),
    ):
        assert refused(capsys, IDENTITY, "-o", "a/b/OUT", "--db", name).startswith(message)
