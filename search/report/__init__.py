"""What a tuning run says about itself: the report as data, JSON and HTML, the coordinator's clock, the summary table.

The live display is in `live.py`, apart, because it imports rich.
"""

from costmodel.search.report.clock import PhaseClock
from costmodel.search.report.data import EndToEnd, Report, TrialPoint, WorkloadReport
from costmodel.search.report.document import report_json, write_report_json
from costmodel.search.report.explain import winner_notes
from costmodel.search.report.html import render_html, write_report_html
from costmodel.search.report.table import summary_table

__all__ = [
    "EndToEnd",
    "PhaseClock",
    "Report",
    "TrialPoint",
    "WorkloadReport",
    "render_html",
    "report_json",
    "summary_table",
    "winner_notes",
    "write_report_html",
    "write_report_json",
]
