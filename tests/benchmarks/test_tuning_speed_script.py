"""`benchmarks/tuning_speed.py`: which seconds are judged."""

from __future__ import annotations


def report(**time_s: float) -> dict[str, object]:
    history = [{"elapsed_s": e, "schedule": "s"} for e in (5.0, 5.2, 5.6)]
    workload = {"history": history, "trials": 4, "failures": {}, "best_s": 1e-3, "best_schedule": "s"}
    return {"wall_s": sum(time_s.values()), "time": time_s, "worker_s": {}, "workloads": [workload]}


def test_everything_but_start_up_is_judged():
    from tuning_speed import report_fields

    found = report_fields(
        report(startup=1.0, read=0.5, start_workers=2.0, search=3.0, measure=4.0, finals=0.5, vendor=0.25, other=0.25)
    )
    assert found["after_start_up_s"] == 8.0
    assert found["trials_s"] == 7.0
    assert found["per_trial_all_in_s"] == 2.0
    assert round(found["between_trials_s"]["median"], 6) == 0.3


def test_summary_takes_medians_over_seeds():
    from tuning_speed import summarize

    rows = [
        {
            "after_start_up_s": after_s, "per_trial_all_in_s": after_s / 32, "trials_s": 1.0,
            "time": {"search": after_s},
            "workers": {"compile_and_measure_s": {"median": 0.1}},
            "stage_1": {"scored_per_s": 5.0, "predicted_per_s": 9.0},
        }
        for after_s in (8.0, 9.6, 30.0)
    ]  # fmt: skip
    found = summarize(rows)
    assert (found["after_start_up_s"], found["passed"], found["per_trial_passed"]) == (9.6, True, True)
    assert summarize(rows[1:])["passed"] is False
