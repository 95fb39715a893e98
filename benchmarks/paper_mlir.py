"""The table of "ML-driven Hardware Cost Model for MLIR" (arXiv 2302.11405), on data that anyone can make.

    python benchmarks/paper_mlir.py                       # the bundled data set, seed 0: about half an hour of one core
    python benchmarks/paper_mlir.py --seeds 0,1,2 --functions 2000 --epochs 40
    python benchmarks/paper_mlir.py --markdown            # the table of the results that are there

The paper's three models, fully connected, LSTM and Conv1D, under its two tokenisations (`ops`, `ops-operands`) and our
`anonymized`, at three levels of MLIR, each model learning all metrics of a level at once. Beside them: our default kind
of model (boosted trees on static features and the schedule), the row that predicts the mean, and what the compiler
itself says before it generates code (TTI code-size cost of the lowered function, scaled by one factor). llvm-mca gives
no row: it is the truth of cycles and port utilisation. Whole operator families are held out, near-duplicates refused.

Triton has no cost of its own before ptxas, which is the truth there; port utilisation and cycles have no truth on a
GPU; instructions there are the bytes of machine code.
A killed run goes on cell by cell; parts run side by side (`--seeds`, `--levels`, each with its own `--out`) come
together by `--take`. Training is short (`settings` says how short): figures are lower bounds of what these
models can do, of ours as well.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from _common import Json, header, seed_list
from _evaluation import DATA, Results, draw, nested, say

from costmodel.cli.evaluate_cases import cases_of, fold_of_seed
from costmodel.core.errors import CostModelError
from costmodel.core.tables import FunctionRow
from costmodel.evaluation.cases import Cases, Fold
from costmodel.evaluation.figures import Column, column_figures
from costmodel.evaluation.run import enough_labels, fit
from costmodel.ir.reading import read
from costmodel.models import MODELS, Model
from costmodel.models.encode import encode_function, token_numbers
from costmodel.models.examples import Encoding
from costmodel.toolchain.tools import find_apt_tool
from costmodel.training.encodings import Unreadable
from costmodel.training.examples import prepare
from costmodel.training.table import TrainingTable, read_table

OUT = Path(__file__).resolve().parent / "results" / "paper_mlir.json"
CPU, GPU = "aarch64/neoverse-v2", "nvptx64/sm_90"
SCHEMES = ("ops", "ops-operands", "anonymized")
PAPER = {"FC": "fully-connected", "LSTM": "lstm", "Conv1D": "conv1d"}
OURS, TTI = "boosted trees (ours)", "TTI cost, scaled"
CPU_METRICS = ("registers_vector", "spills", "port_utilisation", "instructions", "cycles")
GPU_METRICS = ("registers_general", "spills", "code_bytes")
KEPT = (
    "rmse_percent_of_range", "mean_row_rmse_percent_of_range", "mae", "r2", "mape_percent", "kendall_tau",
    "exact_percent", "within_1_percent", "auc_nonzero",
)  # fmt: skip
_COST = re.compile(r"Found (?:an estimated )?costs? of (\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A row block of the table."""

    name: str
    levels: tuple[str, ...]
    target: str
    metrics: tuple[str, ...]


LEVELS = (
    Level(name="graph", levels=("linalg", "torch"), target=CPU, metrics=CPU_METRICS),
    Level(name="loops", levels=("affine", "scf", "vector"), target=CPU, metrics=CPU_METRICS),
    Level(name="ttgir", levels=("ttgir",), target=GPU, metrics=GPU_METRICS),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """One level's rows under every tokenisation."""

    table: TrainingTable
    cases: Mapping[str, Cases]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the data set")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--seeds", type=seed_list, default=[0])
    parser.add_argument("--functions", type=int, default=700, help="of each level")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--max-tokens", type=int, default=256)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=300, help="of the trees")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"), help="where networks are trained")
    parser.add_argument("--levels", nargs="*", default=[level.name for level in LEVELS], metavar="LEVEL")
    parser.add_argument("--take", type=Path, nargs="*", default=[], metavar="JSON", help="cells that ran elsewhere")
    parser.add_argument("--note", default="", help="kept in the results, such as which data they are of")
    parser.add_argument("--anew", action="store_true", help="take no earlier cell over")
    parser.add_argument("--markdown", action="store_true", help="print the table of the results and stop")
    args = parser.parse_args()
    if args.markdown:
        import json

        print(markdown(json.loads(args.out.read_text())["table"]))
        return
    _one_thread()
    sha256 = read_table(args.data, targets=(CPU, GPU)).sha256
    settings = {name: getattr(args, name) for name in ("functions", "epochs", "max_tokens", "width", "rounds")}
    settings |= {"data_sha256": sha256, "split": "by_family", "test_share": 0.2, "targets": [CPU, GPU]}
    results = Results(args.out, lambda: header("paper_mlir", args.seeds, "torch", "xgboost"), settings, anew=args.anew)
    results.take(args.take)
    loaded: dict[str, Loaded | None] = {}
    for seed in args.seeds:
        for level in (level for level in LEVELS if level.name in args.levels):
            keys = _keys(level, seed)
            if all(key in results.document["cells"] for key in keys):
                continue
            if level.name not in loaded:
                loaded[level.name] = load(args.data, level, args.functions)
            data = loaded[level.name]
            if data is None:
                say(f"{level.name}: the data set has no labelled function of it; left out")
                continue
            for key, (name, scheme) in keys.items():
                results.cell(key, partial(cell, data, level, name, scheme, seed, args))
    table = tabulate(results.document["cells"])
    results.finish(table=table, static_answers=_static_note(), note=args.note)
    print(markdown(table))


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def _keys(level: Level, seed: int) -> dict[str, tuple[str, str]]:
    """Key of each cell to the model and the tokenisation; quick ones first."""
    rows = [(OURS, ""), *((name, scheme) for name in ("FC", "Conv1D", "LSTM") for scheme in SCHEMES)]
    if level.target == CPU:
        rows.insert(0, (TTI, ""))
    return {f"{level.name}/{name}/{scheme or '-'}/{seed}": (name, scheme) for name, scheme in rows}


def load(folder: Path, level: Level, functions: int) -> Loaded | None:
    """Draw, read once, and encode under every tokenisation."""
    table = draw(folder, metrics=level.metrics, levels=level.levels, targets=[level.target], functions=functions)
    if table is None:
        return None
    start = time.monotonic()
    read_rows = [encode(row) for row in table.functions]
    say(f"{level.name}: {len(read_rows)} functions read in {time.monotonic() - start:.0f} s")
    ready = {s: prepare(table, [e if isinstance(e, Unreadable) else e[s] for e in read_rows]) for s in SCHEMES}
    first = cases_of(ready[SCHEMES[0]])
    return Loaded(table=ready[SCHEMES[0]].table, cases={s: replace(first, examples=ready[s].examples) for s in SCHEMES})


def encode(row: FunctionRow) -> dict[str, Encoding] | Unreadable:
    """A function's encoding by tokenisation."""
    try:
        program = read(row.ir.encode(), format=row.format)
        function = program.entry(row.entry)
        numbers = encode_function(function).numbers
        return {s: Encoding(numbers=numbers, tokens=token_numbers(function, s)) for s in SCHEMES}
    except CostModelError as error:
        return Unreadable(cause=str(error))


def cell(data: Loaded, level: Level, name: str, scheme: str, seed: int, args: argparse.Namespace) -> Json:
    """Train one model on all metrics of a level, and test it on held-out families."""
    cases = data.cases[scheme or SCHEMES[0]]
    groups = cases.columns["family"]
    fold = fold_of_seed(cases, groups, 0.2, seed)
    metrics = enough_labels(cases, fold)
    start = time.monotonic()
    document: Json = {"train_rows": len(fold.train), "test_rows": len(fold.held), "held_out": list(fold.groups)}
    document["refused_near_duplicates"] = fold.refused
    if name == TTI:
        document["metrics"] = tti(args.data, data.table, cases, fold, level.target)
    else:
        only = replace(cases, values=cases.values[:, [cases.metrics.index(m) for m in metrics]], metrics=metrics)
        train = only.take(fold.train[~np.isnan(only.values[fold.train]).all(axis=1)])
        model = fit(build(name, scheme, metrics, seed, args), train, train.columns["family"])
        document["metrics"] = tested(model, only.take(fold.held), only.values[fold.train])
    return document | {"wall_s": round(time.monotonic() - start, 1)}


def build(name: str, scheme: str, metrics: tuple[str, ...], seed: int, args: argparse.Namespace) -> Model:
    """One model, not fitted."""
    if name == OURS:
        return MODELS.get("boosted-trees")(metrics, seed=seed, rounds=args.rounds, threads=1)  # type: ignore[call-arg]
    options = {"scheme": scheme, "epochs": args.epochs, "patience": max(3, args.epochs // 4),
               "max_tokens": args.max_tokens, "width": args.width, "hidden": 2 * args.width,
               "device": args.device}  # fmt: skip
    return MODELS.get(PAPER[name])(metrics, seed=seed, **options)  # type: ignore[call-arg]


def tested(model: Model, held: Cases, training: Any) -> Json:
    """Figures by metric."""
    prediction = model.predict(held.examples)
    found = {}
    for i, metric in enumerate(held.metrics):
        column = Column.of(prediction, held, metric)
        if len(column.rows):
            found[metric] = _kept(column_figures(column, training[~np.isnan(training[:, i]), i]), len(column.rows))
    return found


def _kept(figures: Mapping[str, Any], rows: int) -> Json:
    return {"rows": rows, **{name: round(figures[name], 4) for name in KEPT if figures.get(name) is not None}}


def tti(folder: Path, table: TrainingTable, cases: Cases, fold: Fold, target: str) -> Json:
    """LLVM's code-size cost of each function's lowering, summed, as a prediction of its machine instructions."""
    tool = find_apt_tool("opt")
    if tool is None:
        return {"skipped": "needs opt-22"}
    lowered = lowerings(folder)
    rows = np.concatenate([fold.train[:400], fold.held])
    costs = np.full(len(cases), np.nan)
    for i in rows:
        text = lowered.get(_lowering(table.functions[table.function[i]]))
        if text is not None:
            costs[i] = tti_cost(str(tool.path), text, target)
    truth = cases.column("instructions")
    train = np.intersect1d(rows, fold.train)
    train = train[~np.isnan(costs[train]) & ~np.isnan(truth[train]) & (truth[train] > 0) & (costs[train] > 0)]
    held = fold.held[~np.isnan(costs[fold.held]) & ~np.isnan(truth[fold.held])]
    if len(train) < 5 or len(held) < 5:
        return {"skipped": f"{len(train)} training and {len(held)} test functions have a lowering in the data set"}
    factor = float(np.exp(np.median(np.log(truth[train] / costs[train]))))
    nothing = np.full(len(held), np.nan)
    column = Column(metric="instructions", truth=truth[held], mean=factor * costs[held], low=nothing, high=nothing,
                    nonzero=nothing, rows=held)  # fmt: skip
    figures = _kept(column_figures(column, cases.column("instructions")[fold.train]), len(held))
    return {"instructions": {**figures, "factor": round(factor, 4)}}


def lowerings(folder: Path) -> dict[tuple[object, ...], str]:
    """LLVM IR of each workload's lowering."""
    table = read_table(folder, levels=["llvm"], targets=[CPU])
    return {_lowering(row): row.ir for row in table.functions if row.workload_id}


def _lowering(row: FunctionRow) -> tuple[object, ...]:
    return (row.project, row.network, row.family, row.workload_id, row.schedule)


def tti_cost(opt: str, text: str, target: str) -> float:
    """Sum of the code-size costs that LLVM's target transform info gives the instructions; NaN where opt fails."""
    arch, _, cpu = target.partition("/")
    command = [opt, "-passes=print<cost-model>", "-cost-kind=code-size", "-disable-output",
               f"-mtriple={arch.replace('-', '_')}-unknown-linux-gnu", f"-mcpu={cpu}", "-"]  # fmt: skip
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=30, check=False)
    except subprocess.TimeoutExpired:
        return float("nan")
    found = _COST.findall(done.stderr + done.stdout)
    return float(sum(map(int, found))) if done.returncode == 0 and found else float("nan")


def _static_note() -> Json:
    return {
        "llvm-mca": "the truth of cycles and port_utilisation, so it has no row of its own",
        "ptxas": "the truth of registers and spills on NVPTX, so it has no row of its own",
        "TTI": "code-size cost of the lowered LLVM IR, summed, times one factor fitted on training families; the "
        "compiler can say it only after lowering, and knows no registers before allocation",
    }


def tabulate(cells: Mapping[str, Json]) -> Json:
    """Level → metric → row → mean and standard deviation over seeds of each figure."""
    values: dict[tuple[str, ...], list[float]] = {}
    for key, document in cells.items():
        level, name, scheme, _ = key.split("/")
        row = name if scheme == "-" else f"{name}, {scheme}"
        for metric, figures in document["metrics"].items():
            if isinstance(figures, Mapping):
                for figure, value in figures.items():
                    values.setdefault((level, metric, row, figure), []).append(value)
    return nested(values)


def markdown(table: Mapping[str, Any]) -> str:
    """RMSE as % of range of every model, a block for each level; the best of a column in bold."""
    parts = []
    for level, metrics in table.items():
        rows = list(dict.fromkeys(row for by_row in metrics.values() for row in by_row))
        lines = [f"| {level} | " + " | ".join(metrics) + " |", "|---" * (len(metrics) + 1) + "|"]
        lines.append("| predict the mean | " + " | ".join(_mean_row(by_row) for by_row in metrics.values()) + " |")
        best = {m: min((_value(r) for r in by.values()), default=None) for m, by in metrics.items()}
        for row in rows:
            cells = [_cell(by.get(row), best[m]) for m, by in metrics.items()]
            lines.append(f"| {row} | " + " | ".join(cells) + " |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _value(figures: Mapping[str, Any]) -> float:
    found = figures.get("rmse_percent_of_range")
    return float(found["mean"]) if found else float("inf")


def _cell(figures: Mapping[str, Any] | None, best: float | None) -> str:
    if figures is None or _value(figures) == float("inf"):
        return ""
    found = figures["rmse_percent_of_range"]
    text = f"{found['mean']:.1f}" + (f" ± {found['std']:.1f}" if found["seeds"] > 1 else "")
    return f"**{text}**" if found["mean"] == best else text


def _mean_row(by_row: Mapping[str, Any]) -> str:
    found = [
        r["mean_row_rmse_percent_of_range"]["mean"] for r in by_row.values() if "mean_row_rmse_percent_of_range" in r
    ]
    return f"{found[-1]:.1f}" if found else ""


if __name__ == "__main__":
    main()
