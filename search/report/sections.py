"""The page's sections, except for what each kernel gets of its own."""

from __future__ import annotations

from collections.abc import Sequence

from costmodel.search.report.charts.bars import latency_bars, speedup_bars
from costmodel.search.report.charts.curve import overall_curve
from costmodel.search.report.charts.scatter import ranking, scatter
from costmodel.search.report.charts.stack import ordered_shares, time_bar
from costmodel.search.report.data import Report, WorkloadReport, ratio, usable
from costmodel.search.report.markup import Child, Markup, join, tag
from costmodel.search.report.units import (
    duration,
    error,
    failures,
    rate,
    seconds,
    sizes,
    times,
)

ROWS_SHOWN = 30
BARS_SHOWN = 40
_HEADINGS = (
    "Kernel",
    "Family",
    "Count",
    "Sizes",
    "Default",
    "Heuristic",
    "Best",
    "Vendor",
    "Speed-up",
    "GFLOP/s",
    "Trials",
    "Failed",
)
_TEXT = frozenset({"Kernel", "Family", "Sizes"})


def header(report: Report) -> Markup:
    """What was tuned, where, and the figures most people come for."""
    totals = report.totals
    lead = f"{report.target} · {report.device} · {report.strategy} · seed {report.seed} · threads {report.threads}"
    trials = sum(w.trials for w in report.workloads)
    failed = sum(w.failed for w in report.workloads)
    result = report.end_to_end
    tiles = [
        ("Kernels, time before", seconds(usable(totals.default_s))),
        ("Kernels, time after", seconds(usable(totals.best_s))),
        ("Kernels, speed-up", times(ratio(totals.default_s, totals.best_s))),
        ("Whole model, speed-up", times(ratio(result.default_s, result.tuned_s)) if result else None),
        ("Kernels", str(len(report.workloads))),
        ("Trials", f"{trials} ({failed} failed)" if failed else str(trials)),
        ("Took", duration(report.wall_s)),
    ]
    return join(
        tag("h1", report.input),
        tag("p", lead, tag("br"), report.toolchain, class_="lead"),
        tag("dl", (tag("div", tag("dt", k), tag("dd", v)) for k, v in tiles if v is not None), class_="tiles"),
    )


def warnings(report: Report) -> Markup | None:
    """What the reader should know before trusting the figures."""
    if not report.warnings:
        return None
    return tag("ul", (tag("li", text) for text in report.warnings), class_="warnings", aria_label="Warnings")


def end_to_end(report: Report) -> Markup | None:
    """The whole model against its default lowering and onnxruntime."""
    result = report.end_to_end
    if result is None:
        return None
    share = ratio(result.tuned_s, result.onnxruntime_s)
    said = "" if share is None else f"The tuned model takes {times(share)} as long as onnxruntime. "
    said += (
        f"Largest error of an output: {error(result.max_abs_error)} absolute, {error(result.max_rel_error)} relative."
    )
    return _section("Whole model", tag("figure", latency_bars(result), tag("figcaption", said)))


def kernel_table(report: Report) -> Markup:
    """All kernels, the most expensive first; those beyond the first rows are folded away."""
    workloads = report.by_weight()
    if not workloads:
        return _section("Kernels", tag("p", "This input holds no kernel to tune."))
    first, rest = workloads[:ROWS_SHOWN], workloads[ROWS_SHOWN:]
    folded = None
    if rest:
        folded = tag("details", tag("summary", f"{len(rest)} more kernels"), _table(rest, None))
    return _section("Kernels", _table(first, _total_row(report)), folded)


def _table(workloads: Sequence[WorkloadReport], foot: Markup | None) -> Markup:
    heads = (tag("th", name, scope="col", class_=None if name in _TEXT else "num") for name in _HEADINGS)
    body = tag("tbody", (_row(w) for w in workloads))
    return tag("div", tag("table", tag("thead", tag("tr", heads)), body, foot), class_="scroll")


def _row(w: WorkloadReport) -> Markup:
    vendor = seconds(usable(w.vendor_s))
    failed = tag(
        "td", str(w.failed), class_="num bad" if w.failed else "num", title=failures(w.failures) if w.failed else None
    )
    return tag(
        "tr",
        tag("th", w.name, scope="row", class_="name"),
        tag("td", w.family),
        _num(str(w.count)),
        tag("td", sizes(w.dims), class_="sizes"),
        _num(seconds(usable(w.default_s))),
        _num(seconds(usable(w.heuristic_s))),
        _num(seconds(usable(w.best_s))),
        tag("td", vendor, class_="num", title=w.vendor),
        _num(times(w.speedup)),
        _num(rate(w.flops_per_s).removesuffix(" GFLOP/s")),
        _num(str(w.trials)),
        failed,
    )


def _total_row(report: Report) -> Markup:
    totals = report.totals
    said = "All, count × time"
    if totals.left_out:
        said += f" (without {totals.left_out} that have no default time)"
    cells = [
        tag("th", said, scope="row"), tag("td"), _num(str(sum(w.count for w in report.workloads))), tag("td"),
        _num(seconds(usable(totals.default_s))), tag("td"), _num(seconds(usable(totals.best_s))), tag("td"),
        _num(times(ratio(totals.default_s, totals.best_s))), tag("td"),
        _num(str(sum(w.trials for w in report.workloads))),
        _num(str(sum(w.failed for w in report.workloads))),
    ]  # fmt: skip
    return tag("tfoot", tag("tr", cells))


def _num(content: str) -> Markup:
    return tag("td", content, class_="num")


def pictures(report: Report) -> Markup | None:
    """Over all kernels: best so far, predicted against measured, speed-ups."""
    points = [p for w in report.workloads for p in w.history]
    workloads = [w for w in report.by_weight() if w.speedup is not None]
    said = "Default ÷ best, log scale."
    if any(ratio(w.default_s, w.vendor_s) for w in workloads[:BARS_SHOWN]):
        said += " The upright mark is the vendor's library."
    if len(workloads) > BARS_SHOWN:
        said += f" The {BARS_SHOWN} most expensive of {len(workloads)}."
    return join(
        _figure("Speed-up per kernel", speedup_bars(workloads[:BARS_SHOWN]), said),
        tag(
            "div",
            _figure(
                "Best so far", overall_curve(report), "Kernels not yet measured count with their default lowering."
            ),
            _figure("Predicted against measured", scatter(points, "all kernels"), _ranking_said(report)),
            class_="pair",
        ),
    )


def _ranking_said(report: Report) -> str:
    found = [r for r in (ranking(w.history) for w in report.workloads) if r is not None]
    said = "Each prediction was made before its measurement."
    if not found:
        return said
    mean = sum(found) / len(found)
    return f"{said} Rank correlation within a kernel: {mean:.2f} (mean of {len(found)} kernels)."


def time_section(report: Report) -> Markup | None:
    """Where the coordinator's time went, and what overlapped in workers."""
    shares = ordered_shares(report.time)
    total_s = sum(s for _, s, _ in shares)
    if not total_s:
        return None
    rows = [
        tag("tr", tag("td", tag("span", class_=f"swatch {colour}"), name), _num(seconds(s)), _num(f"{s / total_s:.1%}"))
        for name, s, colour in shares
    ]
    tables: list[Child] = [
        _small_table("The coordinator's clock, from process start", ("Category", "Time", "Share"), rows)
    ]
    if report.worker_s:
        overlapping = [tag("tr", tag("td", name), _num(seconds(s))) for name, s in sorted(report.worker_s.items())]
        tables.append(_small_table("In workers, overlapping with the above", ("Category", "Time"), overlapping))
    return _section("Where the time went", tag("figure", time_bar(report.time)), tag("div", tables, class_="pair"))


def _small_table(caption: str, headings: Sequence[str], rows: Sequence[Markup]) -> Markup:
    heads = (tag("th", name, scope="col", class_="num" if i else None) for i, name in enumerate(headings))
    inner = (tag("caption", caption), tag("thead", tag("tr", heads)), tag("tbody", rows))
    return tag("div", tag("table", *inner, class_="narrow"), class_="scroll")


def _figure(title: str, image: Markup | None, caption: str) -> Markup | None:
    return None if image is None else _section(title, tag("figure", image, tag("figcaption", caption)))


def _section(title: str, *children: Child) -> Markup:
    return tag("section", tag("h2", title), *children)
