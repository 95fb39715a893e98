"""Measure the Triton families on the GPU of this machine, with nothing but torch, triton and numpy.

    python benchmarks/collect_gpu.py --out gpu.jsonl --count 100 --jobs 14 --time-s 540
    python benchmarks/collect_gpu.py --out dry.jsonl --count 2 --dry-run sm_90

Copy the checkout (or only `benchmarks/collect_gpu.py` and `datasets/triton_kernels/`) to the machine and run; nothing
of this project needs to be installed. One JSON line for each configuration: family, schedule text (the same as in the
data set, and with its seed in the same order, so rows join), sizes, status, latency samples in seconds, registers,
spills, shared memory, error against torch, device and versions. It appends, and goes on where it was stopped; with
`--jobs`, that many processes compile first, into Triton's own cache, and nothing is timed meanwhile. `--dry-run ARCH`
compiles for an architecture without a GPU and measures nothing. `bundle.py` joins the file, compressed, as
`benchmarks/data/gpu_measurements.jsonl.gz`.

A sample is the time of one launch between two CUDA events, after a warm-up, with the level-2 cache overwritten before
each; short launches are repeated inside a sample. A configuration whose output differs from torch's is `wrong`.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import itertools
import json
import platform
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
SCHEMA_VERSION = 1
SEED = 20261123
"""Of the bundled data set: its configurations come first."""
FLUSH_BYTES = 256 << 20
CHUNK = 8
"""Configurations that a compiling process gets at a time."""
WARM_UP, SAMPLES, SHORT_S = 5, 20, 2e-5
TOLERANCE = {"fp32": 2e-2, "fp16": 3e-2, "bf16": 6e-2, "i8": 3e-2, "i32": 0.0}
"""Of the largest magnitude; products of fp32 may run in tf32."""


def kernels() -> Any:
    """The package `datasets/triton_kernels`, from its files: it must not need this project installed."""
    name = "costmodel_triton_kernels"
    folder = ROOT / "datasets" / "triton_kernels"
    places = [str(folder)]
    spec = importlib.util.spec_from_file_location(name, folder / "__init__.py", submodule_search_locations=places)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def draws(package: Any, names: list[str], count: int, seed: int) -> Iterator[tuple[Any, Any, dict[str, int]]]:
    """Family, configuration and sizes; families in turn, so that a run cut short has some of each."""
    columns = []
    for name in names:
        family = package.load(name)
        key = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16)
        found = package.configurations(family, 1 << 20, np.random.default_rng([seed, key]))[:count]
        rng = np.random.default_rng([seed, key, 1])
        columns.append([(family, c, _sizes(family, c, rng)) for c in found])
    for row in itertools.zip_longest(*columns):
        yield from (entry for entry in row if entry is not None)


def _sizes(family: Any, configuration: Any, rng: np.random.Generator) -> dict[str, int]:
    """Sizes for a case."""
    sizes = {key: int(rng.choice(values)) for key, values in family.sizes.items()}
    block = dict(configuration.constants).get("BLOCK")
    if block is not None and "N" in sizes and max(family.sizes["N"]) <= 128:
        sizes["N"] = block  # a kernel that holds its row in one block
    return sizes


def kernel_of(family: Any, configuration: Any) -> Any:
    """The kernel; one that does not ask whether its arguments are aligned where the configuration is not."""
    if configuration.aligned:
        return family.kernel
    import triton

    return triton.JITFunction(family.kernel.fn, do_not_specialize_on_alignment=list(family.signature))


@cache
def all_draws(package: Any, names: tuple[str, ...], count: int, seed: int) -> list[Any]:
    """`draws`, once in a process."""
    return list(draws(package, list(names), count, seed))


def compile_part(names: Sequence[str], count: int, seed: int, numbers: Sequence[int]) -> int:
    """Compile some of `draws` for this machine's GPU into Triton's cache; those that fail are left to `measured`."""
    import torch
    import triton

    package = kernels()
    drawn = all_draws(package, tuple(names), count, seed)
    running = importlib.import_module(f"{package.__name__}.running")
    for family, configuration, sizes in (drawn[number] for number in numbers):
        case = family.case(running.Maker(torch, "cuda", configuration.dtype, seed=0), sizes, configuration)
        try:
            kernel_of(family, configuration).warmup(
                *case.arguments, grid=case.grid, **dict(configuration.constants), **launch_options(configuration)
            )
        except (RuntimeError, triton.CompilationError, triton.runtime.errors.TritonError):
            continue
    return len(numbers)


def compile_all(args: argparse.Namespace, numbers: Sequence[int]) -> None:
    """`compile_part` over `--jobs` processes, the first configurations first, for at most half of the time."""
    end_s = time.monotonic() + args.time_s / 2
    with ProcessPoolExecutor(args.jobs, mp_context=get_context("spawn")) as pool:
        parts = [numbers[i : i + CHUNK] for i in range(0, len(numbers), CHUNK)]
        waiting = [pool.submit(compile_part, args.families, args.count, args.seed, part) for part in parts]
        compiled = 0
        for future in waiting:
            if time.monotonic() > end_s and future.cancel():
                continue
            compiled += future.result()
    print(f"compiled {compiled} of {len(numbers)} configurations", file=sys.stderr)


def launch_options(configuration: Any) -> dict[str, int]:
    """What Triton is told beside the kernel's own constants."""
    return {"num_warps": configuration.num_warps, "num_stages": configuration.num_stages}


def measured(
    torch: Any, package: Any, family: Any, configuration: Any, sizes: Mapping[str, int], flush: Any
) -> dict[str, Any]:
    """One line's fields for a configuration that is run; `compile_s` is small where Triton's cache had it."""
    running = importlib.import_module(f"{package.__name__}.running")
    case = family.case(running.Maker(torch, "cuda", configuration.dtype, seed=0), sizes, configuration)
    constants = {**dict(configuration.constants), **launch_options(configuration)}
    kernel = kernel_of(family, configuration)

    def launch() -> Any:
        return kernel[case.grid](*case.arguments, **constants)

    begin_s = time.perf_counter()
    handle = launch()
    torch.cuda.synchronize()
    compile_s = time.perf_counter() - begin_s
    error = max((running.error_of(torch, got, wanted) for got, wanted in case.expected()), default=0.0)
    fields = {
        "compile_s": compile_s, "max_relative_error": error, "flops": case.flops, "moved_bytes": case.moved_bytes,
        "registers": handle.n_regs, "spills": handle.n_spills, "shared_bytes": handle.metadata.shared,
    }  # fmt: skip
    if error > TOLERANCE[configuration.dtype]:
        return {**fields, "status": "wrong", "samples_s": [], "latency_s": None}
    samples = samples_s(torch, launch, flush)
    return {**fields, "status": "ok", "samples_s": samples, "latency_s": statistics.median(samples)}


def samples_s(torch: Any, launch: Any, flush: Any) -> list[float]:
    """Seconds a launch, `SAMPLES` times, with a cold level-2 cache where one launch is long enough to time."""
    for _ in range(WARM_UP):
        launch()
    once = _timed(torch, launch, 10)
    repeat = max(1, round(SHORT_S / max(once, 1e-9)))
    found = []
    for _ in range(SAMPLES):
        flush.zero_()
        found.append(_timed(torch, launch, repeat))
    return [float(f"{s:.5g}") for s in found]


def _timed(torch: Any, launch: Any, repeat: int) -> float:
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    for _ in range(repeat):
        launch()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end)) * 1e-3 / repeat


def compiled(family: Any, configuration: Any, arch: str) -> dict[str, Any]:
    """One line's fields for a configuration that is only compiled."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    kind = GPUTarget("cuda", int(arch[3:]), 32) if arch.startswith("sm_") else GPUTarget("hip", arch, 64)
    marks = {
        (i,): [["tt.divisibility", 16]]
        for i, t in enumerate(family.signature.values())
        if configuration.aligned and (t.startswith("*") or t == "i32")
    }
    source = ASTSource(family.kernel, family.types(configuration), dict(configuration.constants), marks)
    begin_s = time.perf_counter()
    done = triton.compile(source, target=kind, options=launch_options(configuration))
    return {
        "status": "compiled", "compile_s": time.perf_counter() - begin_s, "shared_bytes": done.metadata.shared,
        "samples_s": [], "latency_s": None,
    }  # fmt: skip


def main() -> None:
    """Command line."""
    begin_s, package = time.monotonic(), kernels()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=40, help="configurations of each family (default: 40)")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--jobs", type=int, default=0, help="processes that compile beforehand (default: none)")
    parser.add_argument("--time-s", type=float, default=float("inf"), help="stop after so many seconds")
    parser.add_argument("--families", nargs="*", default=list(package.NAMES), choices=package.NAMES, metavar="FAMILY")
    parser.add_argument("--dry-run", metavar="ARCH", help="compile for sm_80, sm_90, gfx942, … without a GPU")
    args = parser.parse_args()
    import torch
    import triton

    if args.dry_run is None and not torch.cuda.is_available():
        sys.exit("collect_gpu: torch sees no GPU here; --dry-run sm_90 compiles without one")
    device = args.dry_run or torch.cuda.get_device_name()
    versions = {"torch": torch.__version__, "triton": triton.__version__, "python": platform.python_version()}
    flush = None if args.dry_run else torch.empty(FLUSH_BYTES, dtype=torch.int8, device="cuda")
    done = _done(args.out, device)
    keyed = [
        ({"family": family.name, "schedule": str(choice), "sizes": sizes, "device": device}, family, choice)
        for family, choice, sizes in draws(package, args.families, args.count, args.seed)
    ]
    left = [i for i, (key, *_) in enumerate(keyed) if json.dumps(key, sort_keys=True) not in done]
    if args.jobs and args.dry_run is None:
        compile_all(args, left)
    with args.out.open("a") as file:
        for key, family, configuration in (keyed[i] for i in left):
            if time.monotonic() - begin_s > args.time_s:
                sys.exit("stopped at the end of the time given; the same command goes on")
            sizes = key["sizes"]
            fields = _one(torch, triton, package, family, configuration, sizes, flush, args.dry_run)
            target = _target(torch, args.dry_run)
            line = {"schema_version": SCHEMA_VERSION, **key, "target": target, **fields, **versions}
            file.write(json.dumps(line) + "\n")
            file.flush()
            print(f"{family.name} {configuration}: {fields['status']} {fields['latency_s']}", file=sys.stderr)


def _one(
    torch: Any, triton: Any, package: Any, family: Any, configuration: Any, sizes: Mapping[str, int], flush: Any,
    dry: str | None,
) -> dict[str, Any]:  # fmt: skip
    """What became of one configuration; a failure is a line with its cause."""
    try:
        if dry is not None:
            return compiled(family, configuration, dry)
        return measured(torch, package, family, configuration, sizes, flush)
    except (triton.CompilationError, triton.runtime.errors.OutOfResources, triton.runtime.errors.PTXASError) as error:
        status = "out_of_resources" if "OutOfResources" in type(error).__name__ else "compile_error"
        return {"status": status, "cause": " ".join(str(error).split())[:300], "samples_s": [], "latency_s": None}
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
        return {"status": "oom", "samples_s": [], "latency_s": None}
    except RuntimeError as error:
        if dry is None and "CUDA error" in str(error):
            raise  # the context is lost: start again, the file says where
        return {"status": "error", "cause": " ".join(str(error).split())[:300], "samples_s": [], "latency_s": None}


def _target(torch: Any, dry: str | None) -> str:
    if dry is not None:
        return f"{'nvptx64' if dry.startswith('sm_') else 'amdgcn'}/{dry}"
    if torch.version.hip:
        return f"amdgcn/{torch.cuda.get_device_properties(0).gcnArchName.split(':')[0]}"
    major, minor = torch.cuda.get_device_capability()
    return f"nvptx64/sm_{major}{minor}"


def _done(path: Path, device: str) -> set[str]:
    if not path.exists():
        return set()
    keys = ("family", "schedule", "sizes", "device")
    rows = [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]
    return {json.dumps({k: row[k] for k in keys}, sort_keys=True) for row in rows if row["device"] == device}


if __name__ == "__main__":
    main()
