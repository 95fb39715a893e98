"""The model of unroll factors: from the numbers of a loop and a factor to its cycles over those with LLVM's own choice.

Trained on what `unroll_collect.py` measured and `unroll_simulate.py` simulated; boosted trees with conformal intervals.
Held out are whole templates of kernels and whole projects: what the rule of the plug-in (`UnrollModel::choose` with
caution 1: the best predicted factor whose 90 % interval lies below LLVM's own choice) would have gained there is
written beside the weights.

    python benchmarks/unroll_train.py [--measured JOURNAL...] [--simulated JOURNAL...] [-o costmodel/native/weights]

Without journals it learns from `data/unroll_measurements.jsonl.xz`, 2,305 generated loops measured on one server, and
writes the weights that ship. `--pack FILE --target ARCH/CPU` writes such a file of journals instead.
"""

from __future__ import annotations

import argparse
import json
import lzma
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from _common import ROOT, Json, header, write

from costmodel.core.metrics import CPU_ARCHS, Metric, register_metric
from costmodel.core.target import Target
from costmodel.export.flatten import flatten
from costmodel.export.layout import pack
from costmodel.export.student import rounded_leaves
from costmodel.models.conformal import Conformal, fold_of
from costmodel.models.context import context_names, context_rows
from costmodel.models.examples import Encoding, Examples

METRIC = "cycles_over_llvms_choice"
UNROLL_VERSION = 1
"""Of the numbers of loops, as `UnrollVersion` in native/llvm/LoopFacts.h."""
MEASURED, SIMULATED = "measured", "llvm-mca"
DATA = ROOT / "benchmarks" / "data" / "unroll_measurements.jsonl.xz"
SEED = 0
OUTER_FOLDS = 5
OPTIONS = {"folds": 4, "base": {"model": "boosted-trees", "rounds": 160, "depth": 6, "eta": 0.08}}

register_metric(
    Metric(name=METRIC, unit="ratio", truth="measured, or llvm-mca on loop bodies; one iteration's cycles "
           "under an unroll factor over those under LLVM's own choice", archs=CPU_ARCHS, direction="lower")
)  # fmt: skip


def encoding(loop: Json, factor: str) -> Encoding:
    """A question as `UnrollModel::ask` puts it."""
    numbers = {"static:ops": float(loop["ops"])}
    numbers |= {f"static:loop_{name}": float(value) for name, value in loop["numbers"].items()}
    numbers |= {f"static:unroll_{name}": float(value) for name, value in loop["questions"][factor].items()}
    return Encoding(numbers=numbers)


def rows_of(loop: Json, ratios: dict[str, float], **about: Any) -> list[Json]:
    """One row for each factor."""
    return [
        {"encoding": encoding(loop, f), "factor": f, "ratio": ratio, **about}
        for f, ratio in ratios.items()
        if f in loop["questions"]
    ]


def lines_of(path: Path) -> list[Json]:
    """Of a journal, or of several that were packed."""
    data = path.read_bytes()
    return [json.loads(line) for line in (lzma.decompress(data) if path.suffix == ".xz" else data).splitlines()]


def pack_journals(paths: Sequence[Path], target: str, out: Path) -> None:
    """What `measured_rows` reads of journals, in one file."""
    kept = []
    for path in paths:
        for line in lines_of(path):
            if line["loop"] is not None:
                loop = {name: line["loop"][name] for name in ("ops", "numbers", "questions")}
                about = {"journal": path.stem, "target": target, "loop": loop}
                row = about | {name: line[name] for name in ("kernel", "template", "ratios")}
                kept.append(json.dumps(row, separators=(",", ":")) + "\n")
    out.write_bytes(lzma.compress("".join(kept).encode(), preset=9 | lzma.PRESET_EXTREME))


def measured_rows(paths: Sequence[Path]) -> list[Json]:
    """Of generated kernels: the geometric mean over trip counts; a factor that gives LLVM's code is 1."""
    found = []
    for path in paths:
        for line in lines_of(path):
            if line["loop"] is None:
                continue
            factors = {f for each in line["ratios"].values() for f in each}
            ratios = {
                f: float(np.exp(np.mean([np.log(each.get(f, 1.0)) for each in line["ratios"].values()])))
                if f in factors else 1.0
                for f in line["loop"]["questions"]
            }  # fmt: skip
            about = {
                "id": f"{line.get('journal', path.stem)} {line['kernel']}",
                "group": line["template"],
                "target": line.get("target") or Target.parse("native").name,
                "kind": MEASURED,
            }
            found += rows_of(line["loop"], ratios, **about)
    return found


def simulated_rows(paths: Sequence[Path]) -> list[Json]:
    """Of real functions' loops."""
    found = []
    for path in paths:
        for line in lines_of(path):
            for i, row in enumerate(line["loops"]):
                about = {
                    "id": f"{line['file']} {line['target']} {i}",
                    "group": line["project"],
                    "target": line["target"],
                }
                found += rows_of(row["loop"], row["ratios"], **about, kind=SIMULATED)
    return found


def examples(rows: Sequence[Json]) -> Examples:
    """All questions."""
    targets = [Target.parse(row["target"]) for row in rows]
    return Examples(
        encodings=[row["encoding"] for row in rows], program=np.arange(len(rows)),
        context=context_rows([(t, row["kind"], None) for t, row in zip(targets, rows, strict=True)]),
        context_names=context_names(), archs=np.array([t.arch for t in targets]),
    )  # fmt: skip


def fitted(rows: Sequence[Json]) -> Conformal:
    model = Conformal((METRIC,), seed=SEED, **OPTIONS)
    targets = np.array([[row["ratio"]] for row in rows])
    model.fit(examples(rows), targets, np.array([row["group"] for row in rows]))
    return model


def chosen(rows: Sequence[Json], model: Conformal) -> list[Json]:
    """What the plug-in's rule picks for each loop, and what that and the best factor cost."""
    answer = model.predict(examples(rows))
    assert answer.high is not None
    assert answer.known is not None
    by_loop: dict[str, list[int]] = {}
    for i, row in enumerate(rows):
        by_loop.setdefault(row["id"], []).append(i)
    found = []
    for loop, mine in by_loop.items():
        sure = [i for i in mine if answer.known[i] and answer.high[i, 0] < 1]
        best = min(sure, key=lambda i: answer.mean[i, 0], default=None)
        found.append({
            "loop": loop, **{name: rows[mine[0]][name] for name in ("group", "kind", "target")},
            "factor": None if best is None else rows[best]["factor"],
            "ratio": 1.0 if best is None else rows[best]["ratio"],
            "oracle": min(1.0, *(rows[i]["ratio"] for i in mine)),
            "fixed": {rows[i]["factor"]: rows[i]["ratio"] for i in mine},
            "inside": [bool(answer.low[i, 0] <= rows[i]["ratio"] <= answer.high[i, 0]) for i in mine],
        })  # fmt: skip
    return found


def summary(found: Sequence[Json]) -> Json:
    """Geometric means over loops of cycles over LLVM's own choice."""

    def mean(values: Sequence[float]) -> float:
        return round(float(np.exp(np.mean(np.log(values)))), 4)

    changed = [row["ratio"] for row in found if row["factor"] is not None]
    return {
        "loops": len(found), "changed": len(changed), "model": mean([row["ratio"] for row in found]),
        "model_where_it_changes": mean(changed) if changed else None, "oracle": mean([row["oracle"] for row in found]),
        "fixed": {f: mean([row["fixed"].get(f, 1.0) for row in found]) for f in ("1", "2", "3", "4", "6", "8", "16")},
        "slower_by_2_percent": sum(r > 1.02 for r in changed), "worst": round(max(changed), 3) if changed else None,
        "intervals_hold": round(float(np.mean([x for row in found for x in row["inside"]])), 3),
    }  # fmt: skip


def evaluated(rows: list[Json]) -> Json:
    """Outer folds over families and projects."""
    groups = np.array([row["group"] for row in rows])
    fold = fold_of(groups, OUTER_FOLDS, SEED)
    found: list[Json] = []
    for number in range(int(fold.max()) + 1):
        model = fitted([row for row, f in zip(rows, fold, strict=True) if f != number])
        found += chosen([row for row, f in zip(rows, fold, strict=True) if f == number], model)
    kinds = {
        kind: [row for row in found if (row["kind"], row["target"]) == kind]
        for kind in sorted({(r["kind"], r["target"]) for r in found})
    }
    return {f"{kind} {target}": summary(part) for (kind, target), part in kinds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--measured", type=Path, nargs="+", default=[DATA])
    parser.add_argument("--pack", type=Path, help="only write the measured journals to this file")
    parser.add_argument("--target", default="", help="where the journals were measured, with --pack")
    parser.add_argument("--simulated", type=Path, nargs="*", default=[])
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "costmodel" / "native" / "weights")
    args = parser.parse_args()
    if args.pack:
        return pack_journals(args.measured, args.target or Target.parse("native").name, args.pack)
    rows = measured_rows(args.measured) + simulated_rows(args.simulated)
    held_out = evaluated(rows)
    for kind, found in held_out.items():
        print(kind, json.dumps(found))
    compact = flatten(fitted(rows), name="unroll", pipelines=(MEASURED, SIMULATED))
    compact = replace(rounded_leaves(compact, 16), versions={"unroll": UNROLL_VERSION})
    weights = pack(compact)
    args.output.mkdir(parents=True, exist_ok=True)
    (args.output / "costmodel-unroll.weights").write_bytes(weights)
    document = {
        **header("unroll_train", [SEED], "xgboost-cpu"),
        "rows": len(rows),
        "bytes": len(weights),
        "held_out": held_out,
    }
    write(args.output / "costmodel-unroll.json", document)
    print(f"{len(rows)} rows, {len(weights)} bytes")


if __name__ == "__main__":
    main()
