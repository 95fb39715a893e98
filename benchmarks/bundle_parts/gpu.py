"""Latencies that `collect_gpu.py` measured, joined to the rows of the configurations they are of."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

from bundle_parts.quota import say
from costmodel.core.metrics import get_metric
from costmodel.core.tables import FunctionRow, LabelRow
from costmodel.datasets.generators.triton_task import PIPELINE

MEASURED = Path(__file__).resolve().parents[1] / "data" / "gpu_measurements.jsonl.gz"


def latencies(rows: Sequence[FunctionRow], path: Path = MEASURED) -> list[LabelRow]:
    """One label for each measured configuration whose TTGIR for the measured target is among `rows`.

    A configuration measured with several sizes gives one label, of the sizes that come first in the file.
    """
    if not path.is_file():
        return []
    compiled = {(row.family, row.schedule, _target(row)): row for row in rows if row.level == "ttgir"}
    found: dict[tuple[str, ...], LabelRow] = {}
    for line in gzip.decompress(path.read_bytes()).decode().splitlines():
        measured = json.loads(line)
        row = compiled.get((measured["family"], measured["schedule"], measured["target"]))
        if row is None or measured["status"] == "compiled":
            continue
        ok = measured["status"] == "ok"
        label = LabelRow(
            function_id=row.function_id, target=measured["target"], device=measured["device"], pipeline=PIPELINE,
            metric="latency_s", value=measured["latency_s"] if ok else None, unit=get_metric("latency_s").unit,
            cause=None if ok else f"{measured['status']}: {measured.get('cause', '')}".rstrip(": "),
            tool="collect-gpu", tool_version=f"torch-{measured['torch']}+triton-{measured['triton']}",
            samples=tuple(measured["samples_s"]),
        )  # fmt: skip
        found.setdefault(label.sort_key, label)
    say(f"gpu: {len(found)} latencies joined")
    return list(found.values())


def _target(row: FunctionRow) -> str:
    """The GPU that a TTGIR row was compiled for, as its module says."""
    for mark, prefix in (('ttg.target = "cuda:', "nvptx64/sm_"), ('ttg.target = "hip:', "amdgcn/")):
        _, found, rest = row.ir.partition(mark)
        if found:
            return prefix + rest.partition('"')[0]
    return ""
