"""Each kernel's part of the page: its winner, what set that apart, its trials in pictures. Folded up."""

from __future__ import annotations

from costmodel.search.report.charts.curve import workload_curve
from costmodel.search.report.charts.scatter import ranking, scatter
from costmodel.search.report.data import Report, WorkloadReport, ratio, usable
from costmodel.search.report.markup import Markup, join, tag
from costmodel.search.report.units import failures, rate, seconds, si, sizes, times


def kernel_details(report: Report) -> Markup | None:
    """One `<details>` for each kernel, the most expensive first and open."""
    workloads = report.by_weight()
    if not workloads:
        return None
    parts = [_details(w, is_open=i == 0) for i, w in enumerate(workloads)]
    return tag("section", tag("h2", "Winners"), parts)


def _details(w: WorkloadReport, *, is_open: bool) -> Markup:
    outcome = f" {w.family}, {seconds(usable(w.default_s))} → {seconds(usable(w.best_s))}, {times(w.speedup)}"
    summary = tag("summary", w.name, tag("span", outcome, class_="quiet"))
    return tag("details", summary, _facts(w), _winner(w), _pictures(w), open="open" if is_open else None)


def _facts(w: WorkloadReport) -> Markup:
    facts = [f"workload {w.workload_id[:12]}", f"in the input {w.count}×"]
    if w.dims:
        facts.append(sizes(w.dims))
    if w.flops > 0:
        facts.append(si(w.flops, "FLOP"))
    if usable(w.bytes):
        facts.append(f"{si(w.bytes, 'B')} moved at least")
    if w.flops_per_s is not None:
        facts.append(rate(w.flops_per_s))
    vendor = ratio(w.vendor_s, w.best_s)
    if vendor is not None:
        facts.append(f"{times(vendor)} the speed of {w.vendor or 'the vendor'}")
    facts.append(f"{w.trials} trials, failed: {failures(w.failures)}")
    return tag("p", " · ".join(facts), class_="quiet")


def _winner(w: WorkloadReport) -> Markup:
    if w.best_schedule is None:
        said = "No schedule beat the default lowering." if w.history else "Not tuned: the default lowering is used."
        schedule = tag("p", said)
    else:
        schedule = tag("pre", w.best_schedule, aria_label="Schedule of the winner")
    notes = join(tag("h3", "What set it apart"), tag("ul", (tag("li", note) for note in w.notes))) if w.notes else None
    return join(tag("h3", "Schedule"), schedule, notes)


def _pictures(w: WorkloadReport) -> Markup | None:
    correlation = ranking(w.history)
    said = "" if correlation is None else f"Rank correlation {correlation:.2f}."
    found = [(workload_curve(w), ""), (scatter(w.history, w.name), said)]
    figures = [
        tag("figure", image, tag("figcaption", text) if text else None) for image, text in found if image is not None
    ]
    return tag("div", figures, class_="pair") if figures else None
