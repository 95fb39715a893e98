"""How well and how fast LLVM IR is read: real modules at graph level, counts against LLVM's own, speed and memory.

The corpus is built on the spot: C and C++ files found below `--sources` by clang-22 at four settings (`-O0 -g`, `-O2`,
`-O3 -march=x86-64-v4`, `-O1 -g`, by turns), `data/reading_llvm.rs` by rustc at four levels, functions that llvmlite's
builder makes; `--modules` adds finished modules of any age (ProGraML's, say).

    pip download --no-binary :all: --no-deps lz4 zstandard xxhash zopfli brotli python-snappy   # unpack into sources/
    python benchmarks/reading_llvm.py --sources sources --modules llvm_ir --out reading_llvm.json

`agreement`: for each counter of `opt -passes='print<func-properties>'` that both sides count, functions compared and
functions where both say the same. `corpora`: functions read and at graph level. `speed`: instructions a CPU second on
one thread, best of three, for text to tree, tree to graph and both; `read_wall` for `ir.read`, LLVM's opinion included.
`growth`: the same on one text of growing size, with peak memory (of a fresh process, above its start) over text bytes.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from _common import ROOT, Json, header, write

from costmodel import ir
from costmodel.core.errors import CostModelError
from costmodel.ir.control_flow import natural_loops, reverse_postorder, successors
from costmodel.ir.graph import build_graph
from costmodel.ir.llvm import parse_module
from costmodel.ir.mlir.structure import Operation
from costmodel.ir.tokens.source import tokenize_source

SETTINGS = (("-O0", "-g"), ("-O2",), ("-O3", "-march=x86-64-v4"), ("-O1", "-g"))
SKIPPED = re.compile(r"test|example|fuzz|_brotli|pythoncapi|/python/")
SIZES = (10_000, 30_000, 100_000, 300_000, 1_000_000)
SCHEMES = ("ops", "ops-operands", "anonymized")
CASTS = frozenset(
    f"llvm.{name}"
    for name in "trunc zext sext fptrunc fpext fptoui fptosi uitofp sitofp ptrtoint ptrtoaddr inttoptr bitcast "
    "addrspacecast".split()
)
LLVMLITE = """
import llvmlite.ir as ll
module = ll.Module("made")
double, index = ll.DoubleType(), ll.IntType(64)
for number in range(100):
    function = ll.Function(module, ll.FunctionType(double, [double.as_pointer(), index]), f"f{number}")
    entry, loop, done = (function.append_basic_block(name) for name in ("entry", "loop", "done"))
    ll.IRBuilder(entry).branch(loop)
    b = ll.IRBuilder(loop)
    i, total = b.phi(index), b.phi(double)
    value = b.load(b.gep(function.args[0], [i]))
    for step in range(number % 7 + 1):
        value = b.fadd(b.fmul(value, ll.Constant(double, step + 0.1)), total)
    following = b.add(i, index(1))
    i.add_incoming(index(0), entry), i.add_incoming(following, loop)
    total.add_incoming(double(0), entry), total.add_incoming(value, loop)
    b.cbranch(b.icmp_signed("<", following, function.args[1]), loop, done)
    ll.IRBuilder(done).ret(value)
print(module)
"""


def build(sources: list[Path], folder: Path) -> Iterator[tuple[str, Path]]:
    """(corpus, module) of everything that compiles; what needs headers that are not there is left out."""
    files = [f for root in sources for f in sorted(root.rglob("*")) if f.suffix in (".c", ".cc", ".cpp")]
    for number, file in enumerate(f for f in files if not SKIPPED.search(str(f))):
        near = [file.parent, file.parent.parent, *(up / "include" for up in list(file.parents)[:3])]
        flags = [*SETTINGS[number % 4], "-w", "-S", "-emit-llvm", *(f"-I{path}" for path in near)]
        target = folder / f"c{number}.ll"
        if run("clang-22", *flags, str(file), "-o", str(target)):
            yield "clang-22", target
    for level in range(4):
        target = folder / f"rust{level}.ll"
        source = str(ROOT / "benchmarks" / "data" / "reading_llvm.rs")
        if run("rustc", "--emit=llvm-ir", f"-Copt-level={level}", source, "-o", str(target)):
            yield "rustc", target
    target = folder / "llvmlite.ll"
    done = subprocess.run([sys.executable, "-c", LLVMLITE], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        target.write_text(done.stdout)
        yield "llvmlite", target


def run(*command: str) -> bool:
    """Whether the tool is there and did it."""
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=300).returncode == 0
    except FileNotFoundError:
        return False


# ---- counts ----------------------------------------------------------------------------------------------------------


def truth(path: Path) -> dict[str, dict[str, int]]:
    """What opt-22 counts, by function; empty where it refuses the module."""
    flags = ["-passes=print<func-properties>", "-enable-detailed-function-properties", "-disable-output"]
    try:
        done = subprocess.run(["opt-22", *flags, str(path)], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return {}
    found: dict[str, dict[str, int]] = {}
    for part in done.stderr.split("Printing analysis results of CFA for function '")[1:]:
        name, _, body = part.partition("':")
        found[name] = {key: int(value) for key, value in re.findall(r"^(\w+): (-?\d+)$", body, re.MULTILINE)}
    return found if done.returncode == 0 else {}


def counts(function: Operation, defined: frozenset[str]) -> dict[str, int]:
    """The same from our tree: blocks that the entry reaches; a phi is an argument of a block that is not the entry."""
    (region,) = function.regions
    reached = reverse_postorder(region.blocks[0])
    operations = [operation for block in reached for operation in block.operations]
    names = Counter(operation.name for operation in operations)
    loops = natural_loops(region)
    depths = [sum(loop.header in other.blocks for other in loops) for loop in loops]
    ways = Counter(len(successors(block)) for block in reached)
    calls = [operation for operation in operations if operation.name in ("llvm.call", "llvm.invoke", "llvm.callbr")]
    callees = [call.attribute("callee") for call in calls]
    plain = [call.attribute("callee") for call in calls if call.name == "llvm.call"]
    intrinsics = sum(number for name, number in names.items() if name.startswith("llvm.intr."))
    return {
        "BasicBlockCount": len(reached),
        "TotalInstructionCount": len(operations) + sum(len(block.args) for block in reached[1:]),
        "LoadInstCount": names["llvm.load"],
        "StoreInstCount": names["llvm.store"],
        "DirectCallsToDefinedFunctions": sum(
            callee is not None and callee.lstrip("@").strip('"') in defined for callee in callees
        ),
        "MaxLoopDepth": max(depths, default=0),
        "TopLevelLoopCount": sum(depth == 1 for depth in depths),
        "CastInstructionCount": sum(names[name] for name in CASTS),
        "BasicBlocksWithSingleSuccessor": ways[1],
        "BasicBlocksWithTwoSuccessors": ways[2],
        "ControlFlowEdgeCount": sum(len(successors(block)) for block in reached),
        "UnconditionalBranchCount": names["llvm.br"],
        "ConditionalBranchCount": names["llvm.cond_br"],
        "SwitchInstructionCount": names["llvm.switch"],
        "IntrinsicCount": intrinsics,
        "DirectCallCount": sum(callee is not None for callee in plain) + intrinsics + names["llvm.inline_asm"],
        "IndirectCallCount": sum(callee is None for callee in plain),
    }


def compare(name: str, path: Path, corpora: dict[str, Counter[str]], agreement: dict[str, Counter[str]]) -> None:
    """Read one module through the front door and compare its functions' counts."""
    corpus = corpora.setdefault(name, Counter())
    text = path.read_text(errors="surrogateescape")
    corpus.update(modules=1, bytes=len(text), defined=len(re.findall(r"^define\b", text, re.MULTILINE)))
    try:
        program = ir.read(path, format="llvm")
    except CostModelError:
        corpus.update(refused=1)
        return
    corpus.update(diagnostics=len(program.diagnostics))
    known = truth(path)
    defined = frozenset(function.name for function in program.functions)
    for function in program.functions:
        if function.operation is None:
            continue
        graph = function.graph()
        corpus.update(
            functions_at_graph_level=1, instructions=function.ops, nodes=graph.num_nodes, edges=graph.num_edges
        )
        theirs = known.get(function.name)
        for counter, value in counts(function.operation, defined).items() if theirs else ():
            both = agreement.setdefault(counter, Counter())
            both.update(functions=1, agree=int(theirs is not None and value == theirs.get(counter)))


# ---- speed and memory ------------------------------------------------------------------------------------------------


def cpu_s(call: Callable[[], object]) -> float:
    """CPU seconds of the best of three."""
    best = float("inf")
    for _ in range(3):
        begin_s = time.process_time()
        call()
        best = min(best, time.process_time() - begin_s)
    return best


def corpus_text(paths: list[Path], wanted: int) -> tuple[str, int]:
    """One text of at least so many instructions: type names, then whole functions of the corpus over and over."""
    functions, names = [], {}
    for path in paths:
        text = path.read_text(errors="surrogateescape")
        names.update(dict.fromkeys(re.findall(r"^%.* = type .*$", text, re.MULTILINE)))
        functions += re.findall(r"^define\b.*?^}$", text, re.MULTILINE | re.DOTALL)
    sizes = [len(re.findall(r"^  [%\w]", function, re.MULTILINE)) for function in functions]
    chosen, total = ["\n".join(names)], 0
    while total < wanted:
        for function, size in zip(functions, sizes, strict=True):
            chosen.append(function)
            total += size
            if total >= wanted:
                break
    return "\n\n".join(chosen) + "\n", total


def speed(text: str, instructions: int) -> Json:
    """Instructions a second from text to tokens by scheme, to the tree, to the graph."""
    module = parse_module(text)
    tree_s = cpu_s(lambda: parse_module(text))
    graph_s = cpu_s(lambda: [build_graph(function) for function in module.operations])
    tokens = {
        name: round(instructions / cpu_s(lambda name=name: tokenize_source(text, name, format="llvm")))
        for name in SCHEMES
    }
    return {
        "instructions": instructions,
        "text_bytes": len(text),
        "text_to_tree": round(instructions / tree_s),
        "tree_to_graph": round(instructions / graph_s),
        "text_to_graph": round(instructions / (tree_s + graph_s)),
        "text_to_tokens": tokens,
    }


def peak_bytes() -> int:
    """Most memory this process has held (Linux; `ru_maxrss` would count the parent's before exec)."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024 if found is not None else 0


def grow(path: Path) -> Json:
    """Runs in a fresh process: seconds and peak memory of text to graphs, all kept."""
    text = path.read_text(errors="surrogateescape")
    parse_module("define void @f() {\n  ret void\n}\n")
    before = peak_bytes()
    begin_s = time.process_time()
    module = parse_module(text)
    graphs = [build_graph(function) for function in module.operations]
    used_s = time.process_time() - begin_s
    bytes_used = peak_bytes() - before
    return {"text_bytes": len(text), "cpu_s": used_s, "memory_over_text": bytes_used / len(text), "graphs": len(graphs)}


def without_debug(paths: list[Path]) -> list[Path]:
    """Modules without debug information, of which one text can be made."""
    return [path for path in paths if "!dbg" not in path.read_text(errors="surrogateescape")]


def growth(paths: list[Path], folder: Path) -> list[Json]:
    """`grow` for each size."""
    rows = []
    for wanted in SIZES:
        text, total = corpus_text(paths, wanted)
        target = folder / "growing.ll"
        target.write_text(text, errors="surrogateescape")
        done = subprocess.run(
            [sys.executable, __file__, "--grow", str(target)], stdout=subprocess.PIPE, text=True, check=True
        )
        row = json.loads(done.stdout)
        rows.append({"instructions": total, "per_s": round(total / row["cpu_s"]), **row})
        print(rows[-1], file=sys.stderr)
    return rows


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", type=Path, nargs="*", default=[], help="folders with C and C++ files")
    parser.add_argument("--modules", type=Path, nargs="*", default=[], help="folders with .ll files")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "reading_llvm.json")
    parser.add_argument(
        "--growth-of", type=Path, help="measure `growth` alone, on a folder's .ll, into the result there"
    )
    parser.add_argument("--grow", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.grow is not None:
        print(json.dumps(grow(options.grow)))
        return
    if options.growth_of is not None:
        paths = without_debug(sorted(options.growth_of.rglob("*.ll")))
        with tempfile.TemporaryDirectory(prefix="costmodel-benchmark-") as name:
            write(options.out, json.loads(options.out.read_text()) | {"growth": growth(paths, Path(name))})
        return
    corpora: dict[str, Counter[str]] = {}
    agreement: dict[str, Counter[str]] = {}
    with tempfile.TemporaryDirectory(prefix="costmodel-benchmark-") as name:
        built = list(build(options.sources, Path(name)))
        for corpus, path in built:
            compare(corpus, path, corpora, agreement)
        for root in options.modules:
            for path in sorted(root.glob("*.ll")):
                compare(root.name, path, corpora, agreement)
        plain = without_debug([path for _, path in built])
        text, total = corpus_text(plain, 60_000)
        begin_s = time.perf_counter()
        program = ir.read(text.encode("utf-8", "surrogateescape"), format="llvm")
        for function in program.functions:
            function.graph()
        assert program.diagnostics is not None  # has LLVM verify the text
        wall_s = time.perf_counter() - begin_s
        document = header("reading_llvm", [], "llvmlite") | {
            "corpora": corpora,
            "agreement": {
                key: {**value, "share": value["agree"] / value["functions"]} for key, value in agreement.items()
            },
            "speed": speed(text, total) | {"read_wall": round(total / wall_s)},
        }
        write(options.out, document)
        write(options.out, document | {"growth": growth(plain, Path(name))})


if __name__ == "__main__":
    main()
