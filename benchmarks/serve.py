"""What answering LLVM's advisor channels costs and does: questions a second, code size, spills and reloads.

    python benchmarks/serve.py FOLDER… [--modules N] [--out benchmarks/results/serve.json]

FOLDER is an unpacked C source package. Every module is compiled by clang without passes, then by `opt` and `llc` with
LLVM's own advisors, and again with each policy. Ratios are to LLVM's own, below 1 is smaller; losses are counted.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from _common import ROOT, header, write
from _serve_channel import Module, allocate, front_end, includes, optimise, sources, text_bytes

from costmodel.serve.advisors import ADVISORS
from costmodel.serve.interrupts import Interrupt
from costmodel.serve.policies import POLICIES, Policy
from costmodel.serve.session import ChannelOptions, Served, Summary, serve_channel
from costmodel.serve.tensors import TENSOR_TYPES, Header, TensorSpec

Json = dict[str, Any]
LEVELS: Mapping[str, Sequence[str]] = {
    "-Oz": ("default", "cost", "never", "always"),
    "-O2": ("default", "cost", "never"),
}
ALLOCATION = {"regalloc-evict": ("default", "never"), "regalloc-priority": ("default", "weight")}
SMOOTHING = 8
"""Added to counts of spills and reloads, so that a module with none has a ratio."""
ASKED = 5_000


def make(advisor: str, name: str) -> Policy:
    return POLICIES[advisor].get(name)()


def ratios(values: Sequence[float], own: Sequence[float], smoothing: float = 0) -> Json:
    """Of sums, the geometric mean over modules, and how many modules got better, the same, worse."""
    pairs = list(zip(values, own, strict=True))
    logs = [math.log((value + smoothing) / (base + smoothing)) for value, base in pairs]
    return {
        "sum": sum(values),
        "llvm_sum": sum(own),
        "ratio_of_sums": sum(values) / max(sum(own), 1),
        "geometric_mean_ratio": math.exp(float(np.mean(logs))),
        "modules_better": sum(value < base for value, base in pairs),
        "modules_same": sum(value == base for value, base in pairs),
        "modules_worse": sum(value > base for value, base in pairs),
    }


def asked(summaries: Sequence[Summary | None]) -> Json:
    found = [summary for summary in summaries if summary is not None]
    queries, seconds = sum(s.queries for s in found), sum(s.seconds for s in found)
    return {
        "queries": queries,
        "fallbacks": sum(s.fallbacks for s in found),
        "queries_per_s": queries / max(seconds, 1e-9),
    }


def inlining(modules: Sequence[Module], level: str, work: Path) -> Json:
    """Code bytes of every policy at one level."""
    out = work / "inlined.bc"
    own, own_s = [], 0.0
    for module in modules:
        begin_s = time.perf_counter()
        optimise(module.path, out, level)
        own_s += time.perf_counter() - begin_s
        own.append(text_bytes(out))
    found: Json = {"modules": len(modules), "llvm_opt_s": own_s}
    for name in LEVELS[level]:
        sizes, summaries, opt_s = [], [], 0.0
        for module in modules:
            begin_s = time.perf_counter()
            summaries.append(optimise(module.path, out, level, make("inliner", name)))
            opt_s += time.perf_counter() - begin_s
            sizes.append(text_bytes(out))
        found[name] = {**asked(summaries), "opt_s": opt_s, "code_bytes": ratios(sizes, own), "projects": {}}
        for project in sorted({module.project for module in modules}):
            of_it = [i for i, module in enumerate(modules) if module.project == project]
            found[name]["projects"][project] = ratios([sizes[i] for i in of_it], [own[i] for i in of_it])
        print(f"{level} inliner {name}: {found[name]['code_bytes']}", file=sys.stderr)
    return found


def allocation(modules: Sequence[Module], work: Path) -> Json:
    """Spills, reloads and code bytes of every policy, on modules optimised by LLVM alone at -O2."""
    optimised = []
    for i, module in enumerate(modules):
        optimised.append(work / f"{i}.o2.bc")
        optimise(module.path, optimised[-1], "-O2")
    own = [allocate(module) for module in optimised]
    found: Json = {"modules": len(modules)}
    for advisor, names in ALLOCATION.items():
        for name in names:
            made = [allocate(module, advisor, make(advisor, name)) for module in optimised]
            found.setdefault(advisor, {})[name] = {
                **asked([one.summary for one in made]),
                "spills": ratios([m.spills for m in made], [o.spills for o in own], SMOOTHING),
                "reloads": ratios([m.reloads for m in made], [o.reloads for o in own], SMOOTHING),
                "code_bytes": ratios([m.code_bytes for m in made], [o.code_bytes for o in own]),
            }
            print(f"{advisor} {name}: {found[advisor][name]}", file=sys.stderr)
    return found


def samples(advisor: str) -> tuple[Header, bytes]:
    """A header as LLVM 22 sends it, with the features that our policies ask for, and an observation."""
    names = dict.fromkeys(feature for name in POLICIES[advisor] for feature in make(advisor, name).needs)
    names |= dict.fromkeys(ADVISORS[advisor].features)
    wide = advisor == "regalloc-evict"
    whole = ("mask", "is_hint", "is_local", "max_stage", "li_size", "stage")
    features = tuple(
        TensorSpec(
            name=name, dtype="<i8" if name in whole or advisor == "inliner" else "<f4", shape=(1, 33) if wide else (1,)
        )
        for name in names
    )
    advice = TensorSpec(name=ADVISORS[advisor].advice, dtype=ADVISORS[advisor].dtype, shape=(1,))
    found = Header(features=features, advice=advice)
    record = np.zeros(1, found.record)
    for name in names:
        record[name] = 1
    return found, record.tobytes()


def bare_rate(advisor: str, policy: str) -> float:
    """Questions a second from a compiler that takes no time of its own: a thread of this process."""
    header_, observation = samples(advisor)
    kinds = {dtype: name for name, dtype in TENSOR_TYPES.items()}

    def spec(tensor: TensorSpec) -> str:
        shape = list(tensor.shape)
        return f'{{"name":"{tensor.name}","type":"{kinds[tensor.dtype]}","port":0,"shape":{shape}}}'

    line = f'{{"features":[{",".join(map(spec, header_.features))}],"advice":{spec(header_.advice)}}}\n'
    with tempfile.TemporaryDirectory() as folder, Interrupt() as interrupt:
        base, served = Path(folder) / "c", Served()
        args = (ADVISORS[advisor], make(advisor, policy), ChannelOptions(base=base, wait_s=60), interrupt, served)
        server = threading.Thread(target=serve_channel, args=args, daemon=True)
        server.start()
        while not Path(f"{base}.out").exists():
            time.sleep(0.001)
        with open(f"{base}.in", "rb", buffering=0) as inbound, open(f"{base}.out", "wb", buffering=0) as outbound:
            outbound.write(line.encode() + b'{"context":"f"}\n')
            size = header_.advice.size_bytes
            for i in range(ASKED):
                outbound.write(b'{"observation":%d}\n%b\n' % (i, observation))
                inbound.read(size)
        server.join(60)
    return served.summaries[0].queries / served.summaries[0].seconds


def spaced(several: Sequence[Path], count: int) -> list[Path]:
    """At most `count` of them, evenly spaced."""
    chosen = np.unique(np.linspace(0, len(several) - 1, min(count, len(several))).round().astype(int))
    return [several[i] for i in chosen]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--modules", type=int, default=1000, help="at most so many of a folder, evenly spaced")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/serve.json")
    args = parser.parse_args()
    document: Json = header("serve", [0])
    document["bare_queries_per_s"] = {
        advisor: {name: bare_rate(advisor, name) for name in POLICIES[advisor]} for advisor in ADVISORS
    }
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        by_level: dict[str, list[Module]] = {level: [] for level in LEVELS}
        for folder in args.folders:
            for i, source in enumerate(spaced(sources(folder), args.modules)):
                for level, several in by_level.items():
                    out = work / f"{folder.name}-{i}{level}.bc"
                    if front_end(source, out, level, includes(source)):
                        several.append(Module(project=folder.name, path=out))
        document["corpus"] = {f.name: sum(m.project == f.name for m in by_level["-O2"]) for f in args.folders}
        document["inliner"] = {level: inlining(several, level, work) for level, several in by_level.items()}
        document["allocation"] = allocation(by_level["-O2"], work)
    write(args.out, document)


if __name__ == "__main__":
    main()
