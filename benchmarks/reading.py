"""How much MLIR the readers understand, how fast, in how much memory.

    python benchmarks/reading.py --produce CORPUS [--held-out NAME=FOLDER ...] --out benchmarks/results/reading.json

`CORPUS` is filled on the first run (`_reading_corpora.py`: torch-mlir, IREE, Triton) and kept. A held-out corpus is any
folder of .mlir files of another project; its parts between `// -----` count one by one, those that expect an error not.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import _common
import _reading_corpora

from costmodel import ir
from costmodel.core.errors import CostModelError
from costmodel.ir.mlir import parse_generic
from costmodel.ir.mlir.custom import parse_custom
from costmodel.ir.mlir.levels import levelled
from costmodel.ir.program import Function, functions_of
from costmodel.ir.tokens import generic_text

HERE = Path(__file__).resolve().parent
SIZES = (1_000, 10_000, 100_000, 1_000_000)
ROUNDS = 2
_DIALECT = re.compile(r"^\s*(?:%[^=\n]*= )?\"?([a-z_][\w]*)\.[\w.]+", re.MULTILINE)
_SPLIT = re.compile(r"^// -----.*$", re.MULTILINE)
_COMMENT = re.compile(r"//[^\n]*")
_SUFFIXES = (".mlir", ".fir", ".ttir", ".ttgir")
GENERIC_BODY = (
    '    %{0} = "memref.load"(%m, %i) : (memref<64xf32>, index) -> f32\n'
    '    %{1} = "arith.mulf"(%{0}, %s) <{{fastmath = #arith.fastmath<none>}}> : (f32, f32) -> f32\n'
    '    %{2} = "arith.addf"(%{1}, %{0}) <{{fastmath = #arith.fastmath<none>}}> : (f32, f32) -> f32\n'
    '    "memref.store"(%{2}, %m, %i) : (f32, memref<64xf32>, index) -> ()\n'
)
CUSTOM_BODY = (
    "    %{0} = memref.load %m[%i] : memref<64xf32>\n    %{1} = arith.mulf %{0}, %s : f32\n"
    "    %{2} = arith.addf %{1}, %{0} : f32\n    memref.store %{2}, %m[%i] : memref<64xf32>\n"
)


def synthetic(operations: int, generic: bool) -> str:
    """A function of about so many operations in one block."""
    body = GENERIC_BODY if generic else CUSTOM_BODY
    lines = "".join(body.format(3 * n, 3 * n + 1, 3 * n + 2) for n in range(operations // 4))
    if generic:
        head = '"func.func"() <{sym_name = "f"}> ({\n  ^bb0(%m: memref<64xf32>, %i: index, %s: f32):\n'
        return head + lines + '    "func.return"() : () -> ()\n  }) : () -> ()\n'
    return "func.func @f(%m: memref<64xf32>, %i: index, %s: f32) {\n" + lines + "    return\n}\n"


def parts(folder: Path, split: bool) -> Iterator[tuple[str, str]]:
    """Name and text of each module of a folder."""
    for path in sorted(path for path in folder.rglob("*") if path.suffix in _SUFFIXES):
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        for number, part in enumerate(_SPLIT.split(text) if split else [text]):
            if _COMMENT.sub("", part).strip() and not (split and "expected-error" in part):
                yield f"{path.relative_to(folder)}#{number}", part


def understood(folder: Path, split: bool) -> dict[str, Any]:
    """Shares of the modules of a folder: tokenised, at graph level by our own reader, and what fell short."""
    counts: Counter[str] = Counter()
    dialects: Counter[str] = Counter()
    dialects_graph: Counter[str] = Counter()
    short: list[str] = []
    begun = time.process_time()
    for name, text in parts(folder, split):
        counts["modules"] += 1
        functions, message = _direct(text, name)
        graph = bool(functions) and all(function.level == "graph" for function in functions)
        tokenised = bool(functions) and all(function.tokens("ops") for function in functions)
        counts["graph"] += graph
        counts["tokenised"] += tokenised
        counts["operations"] += sum(function.ops for function in functions)
        used = set(_DIALECT.findall(_COMMENT.sub("", text)))
        dialects.update(used)
        dialects_graph.update(used if graph else ())
        if not graph and len(short) < 50:
            short.append(f"{name}: {message}")
    total = max(counts["modules"], 1)
    return {
        "modules": counts["modules"], "operations": counts["operations"], "cpu_s": time.process_time() - begun,
        "share_tokenised": counts["tokenised"] / total, "share_graph_direct": counts["graph"] / total,
        "dialects": {name: {"modules": count, "share_graph": dialects_graph[name] / count}
                     for name, count in sorted(dialects.items())},
        "short": short,
    }  # fmt: skip


def _direct(text: str, name: str) -> tuple[tuple[Function, ...], str]:
    try:
        return functions_of(parse_generic(text, file=name)), ""
    except CostModelError:
        pass
    try:
        functions, diagnostics = levelled(parse_custom(text, file=name))
    except CostModelError as error:
        return (), str(error)
    return functions, str(diagnostics[0]) if diagnostics else ""


def best_s(call: Callable[[], object], rounds: int = ROUNDS) -> float:
    """CPU seconds of the fastest of several rounds."""
    found: list[float] = []
    for _ in range(rounds):
        begun = time.process_time()
        call()
        found.append(time.process_time() - begun)
    return min(found)


def speeds(texts: dict[str, str]) -> dict[str, Any]:
    """Operations and tokens a second on each text, and the peak of memory over the size of the text."""
    found: dict[str, Any] = {}
    for name, text in texts.items():
        generic = name.startswith("generic")
        operations = sum(function.ops for function in ir.read(text, format="mlir").functions)

        def tree(text: str = text, generic: bool = generic) -> tuple[Function, ...]:
            return functions_of(parse_generic(text)) if generic else levelled(parse_custom(text))[0]

        row: dict[str, Any] = {"operations": operations, "bytes": len(text)}
        row["tree_operations_per_s"] = operations / best_s(tree)
        row["graph_operations_per_s"] = operations / best_s(lambda tree=tree: [f.graph() for f in tree()])
        row.update(_token_speeds(text, tree, generic))
        tracemalloc.start()
        kept = tree()
        row["memory_factor"] = tracemalloc.get_traced_memory()[1] / len(text)
        tracemalloc.stop()
        del kept
        found[name] = row
    return found


def _token_speeds(text: str, tree: Callable[[], tuple[Function, ...]], generic: bool) -> dict[str, float]:
    row: dict[str, float] = {}
    for scheme in ("ops-operands", "anonymized"):

        def tokenise(scheme: str = scheme) -> int:
            try:
                if generic:
                    return sum(len(tokens) for _, tokens in generic_text.function_tokens(text, scheme))
            except generic_text.Unusual:
                pass
            return sum(len(function.tokens(scheme)) for function in tree())

        row[f"tokens_per_s_{scheme}"] = tokenise() / best_s(tokenise)
    return row


def curve(generic: bool, largest: int) -> list[dict[str, float]]:
    """Seconds and memory against size."""
    found: list[dict[str, float]] = []
    for size in (size for size in SIZES if size <= largest):
        text = synthetic(size, generic)
        call = (lambda text=text: parse_generic(text)) if generic else (lambda text=text: parse_custom(text))
        seconds = best_s(call, 1 if size > 100_000 else 3)
        found.append({"operations": size, "bytes": len(text), "cpu_s": seconds, "operations_per_s": size / seconds})
    return found


def produced(folder: Path) -> dict[str, Any]:
    """Understanding by producer and level, and what the producers refused."""
    for producer in _reading_corpora.PRODUCERS:
        if not (folder / producer / "refused.json").exists():
            subprocess.run([sys.executable, str(HERE / "_reading_corpora.py"), producer, str(folder)], check=True)
    return {
        f"{level.parent.name}/{level.name}": understood(level, split=False)
        for level in sorted(folder.glob("*/*"))
        if level.is_dir()
    }


def largest_texts(folder: Path) -> dict[str, str]:
    """Texts for timing: synthetic ones, and the largest Triton and torch-dialect modules put together."""
    triton = "\n// -----\n".join(path.read_text() for path in sorted((folder / "triton" / "ttgir").glob("*.mlir")))
    iree = "\n// -----\n".join(
        path.read_text() for path in sorted((folder / "iree" / "executable-targets").glob("*.mlir"))
    )
    return {"generic synthetic": synthetic(20_000, True), "custom synthetic": synthetic(20_000, False),
            "custom ttgir": triton, "custom iree executable-targets": iree}  # fmt: skip


def main() -> None:
    """Run and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--produce", type=Path, required=True)
    parser.add_argument("--held-out", action="append", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--largest", type=int, default=SIZES[-1])
    parser.add_argument("--out", type=Path, default=None)
    arguments = parser.parse_args()
    made = produced(arguments.produce)
    held = {
        name: understood(Path(path), split=True) for name, _, path in (i.partition("=") for i in arguments.held_out)
    }
    document = {
        "produced": made,
        "share_graph_produced": _share(made, "share_graph_direct"),
        "share_tokenised_produced": _share(made, "share_tokenised"),
        "held_out": held,
        "speeds": speeds(largest_texts(arguments.produce)),
        "curve_generic": curve(True, arguments.largest),
        "curve_custom": curve(False, arguments.largest),
    }
    if arguments.out is not None:
        packages = ("torch", "torch-mlir", "iree-base-compiler", "triton")
        _common.write(arguments.out, {**_common.header("reading", [0], *packages), **document})
    for name, row in {**made, **held}.items():
        print(
            f"{name:45} {row['modules']:5} modules  graph {row['share_graph_direct']:.4f}"
            f"  tokens {row['share_tokenised']:.4f}"
        )
    for name, row in document["speeds"].items():
        print(name, {key: round(value, 2) for key, value in row.items()})
    print(
        "curves",
        [[round(row["operations_per_s"]) for row in document[key]] for key in ("curve_generic", "curve_custom")],
    )


def _share(rows: dict[str, Any], key: str) -> float:
    return sum(row[key] * row["modules"] for row in rows.values()) / max(
        1, sum(row["modules"] for row in rows.values())
    )


if __name__ == "__main__":
    main()
