"""`report.html`: one page that needs nothing beside it, no network, no scripts.

Owns the order of the page. What a section holds is in `sections.py`, each kernel's part in `kernels.py`, pictures in
`charts/`.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from costmodel.search.report.data import Report
from costmodel.search.report.document import write_whole
from costmodel.search.report.kernels import kernel_details
from costmodel.search.report.markup import Markup, join, tag
from costmodel.search.report.sections import end_to_end, header, kernel_table, pictures, time_section, warnings


def render_html(report: Report) -> str:
    """The whole page."""
    title = f"{report.input} tuned for {report.target}"
    style = Markup(files("costmodel.search.report").joinpath("style.css").read_text(encoding="utf-8"))
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("style", style),
    )
    body = tag(
        "body",
        tag("header", header(report), warnings(report)),
        tag(
            "main",
            end_to_end(report),
            kernel_table(report),
            pictures(report),
            time_section(report),
            kernel_details(report),
        ),
    )
    return join(Markup("<!DOCTYPE html>\n"), tag("html", head, "\n", body, lang="en"), "\n")


def write_report_html(report: Report, path: Path) -> None:
    """Write `report.html` whole or not at all; `ArtifactError` where the file cannot be written."""
    write_whole(path, render_html(report).encode("utf-8"))
