"""One artifact against a library's call, in a process of its own: `python benchmarks/_versus.py JOB`, JSON in and out.

Owns what `kernels.py` calls a comparison. Invariant: nothing is timed whose numbers do not agree with the library's.
numpy reads OPENBLAS_* when it is loaded, so whoever starts this cleans the environment first.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from _baselines import BASELINES, make_baseline
from _common import (
    NOISY,
    Array,
    Json,
    Paired,
    aligned,
    blas_kernel,
    empty_call,
    overhead_s,
    pin,
    pointers,
    spread,
    time_quietly,
)

from costmodel import load
from costmodel.datasets.linalg import FAMILIES

RELATIVE_TOLERANCE = 1e-5
"""Of the largest magnitude in the output: both sides round each sum in another order."""
TINY = 0.05


def shapes(family: str, sizes: Mapping[str, int]) -> tuple[list[tuple[int, ...]], tuple[int, ...]]:
    """Shapes of a generated function's arguments and of its result."""
    signature = FAMILIES[family].text(sizes).split("{", 1)[0]
    found = [tuple(int(d) for d in t.split("x")[:-1]) for t in re.findall(r"tensor<([^>]*)>", signature)]
    return found[:-1], found[-1]


def compare(job: Json) -> Json:
    """Check the numbers of an artifact against the library's, then time both in turns."""
    cpu, family = pin(), job["family"]
    inputs = random_inputs(shapes(family, job["sizes"])[0], job["seed"])
    ours, out = our_call(Path(job["artifact"]), inputs)
    vendor, vendor_result = make_baseline(family, inputs, out.shape, job["sizes"])
    ours()
    vendor()
    expected = vendor_result()
    error = float(np.max(np.abs(out.astype(float) - expected.astype(float))))
    relative = error / float(np.max(np.abs(expected)))
    row: Json = {"baseline": BASELINES[family][0], "blas": blas_kernel(), "cpu_number": cpu}
    row |= {"max_abs_error": error, "max_rel_error": relative} if math.isfinite(error) else {}
    if not relative <= RELATIVE_TOLERANCE:
        return {**row, "error": f"outputs differ from the library's by {relative:.2g} of the largest value"}
    paired, attempts = time_quietly({"ours": ours, "vendor": vendor}, budget_s=job["budget_s"])
    return row | {"attempts": attempts} | timing_fields(paired, overheads(family, len(inputs) + 2))


def timing_fields(paired: Paired, overhead: Json) -> Json:
    """Medians with spread, and the ratio with and without what a call costs by itself."""
    ours_s, vendor_s = paired.median_s("ours"), paired.median_s("vendor")
    net = [vendor_s - overhead["vendor_s"], ours_s - overhead["ours_s"]]
    return {
        "ours_s": ours_s,
        "vendor_s": vendor_s,
        "ratio": paired.ratio("vendor", "ours"),
        "ratio_of_medians": vendor_s / ours_s,
        "ratio_net": net[0] / net[1] if min(net) > 0 else None,
        "noise": paired.noise,
        "noisy": paired.noise > NOISY,
        "ours_spread": spread(paired.samples_s["ours"]),
        "vendor_spread": spread(paired.samples_s["vendor"]),
        "overhead": overhead,
        "tiny": overhead["ours_s"] > TINY * ours_s or overhead["vendor_s"] > TINY * vendor_s,
    }


def random_inputs(wanted: Sequence[tuple[int, ...]], seed: int) -> list[Array]:
    """Standard normal numbers in aligned memory."""
    rng = np.random.default_rng(seed)
    arrays = [aligned(shape) for shape in wanted]
    for array in arrays:
        array[...] = rng.standard_normal(array.shape, dtype=np.float32)
    return arrays


def our_call(folder: Path, inputs: Sequence[Array]) -> tuple[Callable[[], object], Array]:
    """The artifact's C function over preallocated memory, and where its result will lie."""
    artifact = load(folder)
    (tuned,) = artifact.functions.values()
    function = tuned.description
    if [t.shape for t in function.inputs] != [a.shape for a in inputs]:
        raise SystemExit(f"{folder} takes {[t.shape for t in function.inputs]}")
    out = aligned(function.outputs[0].shape)
    out.fill(np.nan)
    workspace = aligned((max(1, function.workspace_bytes),), "uint8")
    arguments = [*inputs, out, workspace]
    call = partial(tuned.entry, *pointers(arguments))
    call.kept = (artifact, *arguments)  # type: ignore[attr-defined]
    return call, out


def overheads(family: str, arity: int) -> Json:
    """Seconds of an empty compiled function, and of the library's call on operands of one element."""
    empty, _kept = empty_call(arity)
    tiny = dict.fromkeys(FAMILIES[family].ranges, 1)
    wanted, result = shapes(family, tiny)
    vendor, _ = make_baseline(family, random_inputs(wanted, 0), result, tiny)
    return {"ours_s": overhead_s(empty), "vendor_s": overhead_s(vendor)}


if __name__ == "__main__":
    print(json.dumps(compare(json.loads(sys.argv[1]))))
