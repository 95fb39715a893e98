"""A report as text: tables in Markdown from the same document that is written as JSON.

Owns which figures stand in which table. Invariant: every number is in the JSON too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from costmodel.evaluation.figures import Json

SUMMARY = (
    ("test rows", "rows"), ("RMSE % of range", "rmse_percent_of_range"),
    ("mean row: RMSE %", "mean_row_rmse_percent_of_range"), ("MAE", "mae"), ("R²", "r2"), ("MAPE %", "mape_percent"),
    ("τ", "kendall_tau"), ("ρ", "spearman"), ("exact %", "exact_percent"), ("±1 %", "within_1_percent"),
    ("AUC not 0", "auc_nonzero"), ("90 % interval holds %", "coverage_percent"),
    ("its width % of range", "width_percent_of_range"),
)  # fmt: skip
SCHEDULES = (
    ("workloads", "workloads"), ("pairwise", "pairwise_accuracy"), ("top-1", "top_1_score"), ("top-5", "top_5_score"),
    ("slowdown top-1 %", "top_1_slowdown_percent"), ("slowdown top-5 %", "top_5_slowdown_percent"),
    ("regret %, median", "regret_percent.median"), ("τ", "kendall_tau"),
)  # fmt: skip
BY_FAMILY = ("rows", "rmse_percent_of_range", "mae", "mape_percent", "coverage_percent", "width_percent_of_range")


def summary_table(metrics: Mapping[str, Any]) -> str:
    """One line a metric, on held-out groups."""
    return _table("metric", metrics, SUMMARY)


def markdown(document: Json, pictures: Sequence[str]) -> str:
    """The whole report."""
    parts = [f"# {document['model']} on {document['split']}", *document["notes"], summary_table(document["metrics"])]
    ranked = {name: f["schedules"] for name, f in document["metrics"].items() if f.get("schedules")}
    if ranked:
        parts += ["## Schedules of one workload", _table("metric", ranked, SCHEDULES)]
    if document.get("seen"):
        parts += ["## New functions of training groups", _seen(document["seen"])]
    for category in ("family", "project", "level", "stage", "target", "pipeline"):
        parts += _categories(document["metrics"], category)
    parts += _studies(document)
    parts += [f"![{name}]({name})" for name in pictures]
    return "\n\n".join(parts) + "\n"


def _seen(seen: Mapping[str, Any]) -> str:
    text = summary_table(seen.get("metrics", {}))
    return text + f"\n\nAUROC of `known`, these against held-out: {_text(seen.get('known_auroc'))}"


def _categories(metrics: Mapping[str, Any], category: str) -> list[str]:
    found = []
    for metric, figures in metrics.items():
        rows = figures.get("by", {}).get(category, {})
        if rows:
            columns = [(name.replace("_", " ").replace("percent", "%"), name) for name in BY_FAMILY]
            found += [f"## {metric} by {category}", _table(category, rows, columns)]
    return found


def _studies(document: Json) -> list[str]:
    found = []
    for title, key, label in (
        ("Error against data", "data_scaling", "rows"), ("Error against model size", "model_scaling", "size_bytes"),
    ):  # fmt: skip
        if document.get(key):
            found += [f"## {title}", _points(document[key], label)]
    for one in document.get("few_shot", ()):
        found += [
            f"## New target {one['target']}",
            _points([*one["shots"], {"labels": "seen", **one["seen"]}], "labels"),
        ]
        found += ["Error without labels over that of a seen target: " + ", ".join(
            f"{metric} {ratio:.3g}" for metric, ratio in one["ratio"].items())]  # fmt: skip
    if document.get("robustness"):
        found += ["## Drift under rewrites that keep the meaning", _drift(document["robustness"])]
    return found


def _points(points: Sequence[Mapping[str, Any]], label: str) -> str:
    metrics = list(points[0]["metrics"])
    lines = [
        f"| {label} | " + " | ".join(f"{m}: MAE, RMSE % of range" for m in metrics) + " |",
        "|---" * (len(metrics) + 1) + "|",
    ]
    for point in points:
        cells = [
            f"{_text(point['metrics'].get(m, {}).get('mae'))}, "
            f"{_text(point['metrics'].get(m, {}).get('rmse_percent_of_range'))}"
            for m in metrics
        ]
        lines.append(f"| {point[label]} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _drift(document: Mapping[str, Any]) -> str:
    head = "| metric | rewrite | functions | mean % | worst % | flipped pairs % |\n|---|---|---|---|---|---|"
    lines = [
        f"| {metric} | {kind} | {row['functions']} | {_text(row['mean_percent'])} | {_text(row['worst_percent'])} | "
        f"{_text(row['flipped_pairs_percent'])} |"
        for metric, figures in document["metrics"].items()
        for kind, row in figures["by_rewrite"].items()
    ]
    return "\n".join([head, *lines])


def _table(first: str, rows: Mapping[str, Any], columns: Sequence[tuple[str, str]]) -> str:
    used = [(title, key) for title, key in columns if any(_at(row, key) is not None for row in rows.values())]
    lines = [f"| {first} | " + " | ".join(title for title, _ in used) + " |", "|---" * (len(used) + 1) + "|"]
    lines += [f"| {name} | " + " | ".join(_text(_at(row, key)) for _, key in used) + " |" for name, row in rows.items()]
    return "\n".join(lines)


def _at(row: Mapping[str, Any], key: str) -> Any:
    value: Any = row
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _text(value: Any) -> str:
    """A number, or mean ± standard deviation over seeds."""
    if isinstance(value, Mapping):
        mean = _text(value.get("mean"))
        return f"{mean} ± {value['std']:.2g}" if value.get("seeds", 1) > 1 and value["std"] else mean
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return f"{value:.0f}" if float(value).is_integer() and abs(value) < 1e9 else f"{value:.4g}"
