"""Reports to test with: a small one with everything in it, and hostile or degenerate ones."""

from costmodel.search.report import EndToEnd, Report, TrialPoint, WorkloadReport

WINNER = "v1; tile(level=register, m=8, n=32, k=1); pack(b); vectorize(16)"
OTHER = "v1; tile(level=register, m=4, n=32, k=1); vectorize(16)"


def point(trial: int, runtime_s: float | None, *, status: str = "ok", schedule: str = OTHER) -> TrialPoint:
    return TrialPoint(
        trial=trial,
        elapsed_s=2.0 + trial / 2,
        status=status,
        runtime_s=runtime_s,
        predicted_mean_s=None if trial == 0 else 1.5e-3,
        predicted_std_s=None if trial == 0 else 4e-4,
        schedule=schedule,
    )


def matmul(**changes: object) -> WorkloadReport:
    values: dict[str, object] = {
        "workload_id": "12ab" * 16,
        "name": "main_matmul",
        "family": "matmul",
        "count": 2,
        "flops": 2 * 512**3,
        "bytes": 3 * 4 * 512**2,
        "dims": {"m": 512, "n": 512, "k": 512},
        "default_s": 0.25,
        "heuristic_s": 0.004,
        "best_s": 0.00275,
        "best_schedule": WINNER,
        "trials": 4,
        "failures": {"wrong": 1, "crash": 0},
        "vendor_s": 0.003,
        "vendor": "numpy",
        "history": (
            point(0, 0.008),
            point(1, None, status="wrong"),
            point(2, 0.00275, schedule=WINNER),
            point(3, 0.0031),
        ),
        "notes": ("too few trials to tell (3 measured, 8 needed)",),
    }
    return WorkloadReport(**{**values, **changes})  # type: ignore[arg-type]


def untuned(**changes: object) -> WorkloadReport:
    values = {"workload_id": "34cd" * 16, "name": "softmax_rows", "family": "softmax", "default_s": 0.001}
    return WorkloadReport(**{**values, **changes})  # type: ignore[arg-type]


def report(**changes: object) -> Report:
    time_s = {"startup": 1.5, "measure": 4.25, "compile": 2.0, "other": 0.25}
    values: dict[str, object] = {
        "target": "x86-64/znver4",
        "device": "some CPU",
        "toolchain": "mlir 22.1",
        "seed": 7,
        "strategy": "evolutionary",
        "threads": 1,
        "input": "model.onnx",
        "wall_s": 8.0,
        "time": time_s,
        "worker_s": {"run": 3.5, "compile": 6.0},
        "workloads": (matmul(), untuned()),
        "end_to_end": EndToEnd(
            default_s=0.315, tuned_s=0.0091, onnxruntime_s=0.008, max_abs_error=1.25e-6, max_rel_error=4e-5
        ),
        "warnings": ("the machine was\nbusy",),
    }
    return Report(**{**values, **changes})  # type: ignore[arg-type]
