"""The summary that a run prints at its end, as aligned plain text."""

from __future__ import annotations

from collections.abc import Sequence

from costmodel.search.report.data import EndToEnd, Report, WorkloadReport, ratio, usable
from costmodel.search.report.units import ABSENT, digits, duration, error, seconds, times

_HEADINGS = ("kernel", "family", "count", "default", "heuristic", "best", "vendor", "speed-up", "GFLOP/s", "trials",
             "failed")  # fmt: skip
_TEXT_COLUMNS = 2
_NAME_WIDTH = 40


def summary_table(report: Report, *, max_rows: int = 25) -> str:
    """One line for each kernel (the `max_rows` most expensive), the total, the end-to-end line; ends with a newline."""
    shown = report.by_weight()[:max_rows]
    rows = [_HEADINGS, *(_row(w) for w in shown)]
    if report.workloads:
        rows.append(_total_row(report))
    lines = align(rows)
    if not report.workloads:
        lines.append("no kernels to tune in this input")
    hidden = len(report.workloads) - len(shown)
    if hidden:
        lines.insert(len(lines) - 1, f"… and {hidden} more, see report.html")
    left_out = report.totals.left_out
    if left_out:
        lines.append(f"the total leaves out {left_out} of {len(report.workloads)}, which have no default time")
    if report.end_to_end is not None:
        lines.append(end_to_end_line(report.end_to_end))
    lines += [f"warning: {_one_line(text)}" for text in report.warnings]
    lines.append(f"{report.target}, {report.strategy}, seed {report.seed}, took {duration(report.wall_s)}")
    return "\n".join(lines) + "\n"


def end_to_end_line(result: EndToEnd) -> str:
    """The whole model in one line."""
    parts = [f"default {seconds(result.default_s)}", f"tuned {seconds(result.tuned_s)}"]
    speedup = ratio(result.default_s, result.tuned_s)
    if speedup is not None:
        parts[-1] += f" ({times(speedup)} the default's speed)"
    parts.append(f"onnxruntime {seconds(result.onnxruntime_s)}")
    share = ratio(result.tuned_s, result.onnxruntime_s)
    if share is not None:
        parts[-1] += f" (tuned takes {times(share)} as long)"
    parts.append(f"largest error {error(result.max_abs_error)} absolute, {error(result.max_rel_error)} relative")
    return "end to end: " + ", ".join(parts)


def align(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns of equal width; the first two to the left, figures to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if i < _TEXT_COLUMNS else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _row(w: WorkloadReport) -> tuple[str, ...]:
    name = _one_line(w.name)
    flops_per_s = w.flops_per_s
    return (
        name if len(name) <= _NAME_WIDTH else name[: _NAME_WIDTH - 1] + "…",
        _one_line(w.family),
        str(w.count),
        seconds(usable(w.default_s)),
        seconds(usable(w.heuristic_s)),
        seconds(usable(w.best_s)),
        seconds(usable(w.vendor_s)),
        times(w.speedup),
        ABSENT if flops_per_s is None else digits(flops_per_s / 1e9),
        str(w.trials),
        str(w.failed),
    )


def _total_row(report: Report) -> tuple[str, ...]:
    totals = report.totals
    return (
        "all, count × time",
        "",
        str(sum(w.count for w in report.workloads)),
        seconds(usable(totals.default_s)),
        "",
        seconds(usable(totals.best_s)),
        "",
        times(ratio(totals.default_s, totals.best_s)),
        "",
        str(sum(w.trials for w in report.workloads)),
        str(sum(w.failed for w in report.workloads)),
    )


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else "�" for c in " ".join(text.split()))
