"""The benchmark of the model's value: pools, arms under equal rules, figures."""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from costmodel.core.errors import UsageError
from costmodel.datasets.linalg import FAMILIES
from costmodel.models import ranker
from costmodel.models.ranker import BoostedRanker
from costmodel.search.features import IR_FEATURES, PLAN_FEATURES

BENCHMARKS = str(Path(__file__).resolve().parents[2] / "benchmarks")
SIZE = 40
WIDTH = len(PLAN_FEATURES) + len(IR_FEATURES)


def module(name: str) -> ModuleType:
    """A module of the benchmark, imported as the script does."""
    if BENCHMARKS not in sys.path:
        sys.path.insert(0, BENCHMARKS)
    return importlib.import_module(f"model_value.{name}")


@pytest.fixture(autouse=True)
def _few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small models: a made-up feature needs few trees."""
    monkeypatch.setattr(ranker, "ROUNDS", 40)
    monkeypatch.setattr(ranker, "LEVEL_ROUNDS", 10)


@pytest.fixture(scope="module")
def prepared():
    """A made-up pool in which the third feature is the logarithm of the run time; schedule 7 fails."""
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(SIZE + 1, WIDTH)).astype(np.float32)
    times = np.exp(rows[:, 2].astype(float)) * 1e-3
    a_s: list[float | None] = [float(t) for t in times[:SIZE]]
    a_s[7] = None
    pool = module("pool").Pool(
        name="p", generator="matmul", sizes={"m": 8}, workload_id="w", family="matmul", heuristic="h",
        heuristic_a_s=float(times[SIZE]), heuristic_b_s=float(times[SIZE]), schedules=[f"s{i}" for i in range(SIZE)],
        status=["crash" if i == 7 else "ok" for i in range(SIZE)], a_s=a_s, b_s=a_s, top={}, cost_s=0.1,
    )  # fmt: skip
    kernel = module("collect").kernel_of(FAMILIES["matmul"].text({"m": 8, "n": 8, "k": 8}))
    from costmodel.core.target import Target

    return module("prepare").Prepared(
        pool=pool, kernel=kernel, target=Target.parse("native"), rows=rows, plan_row_s=1e-4, ir_row_s=1e-3,
        first_s=np.append(pool.first_s(), times[SIZE]), score_s=np.append(pool.score_s(), times[SIZE]),
    )  # fmt: skip


@cache
def rankers(sign: float):
    """Both stages fitted to the third feature, or to its opposite."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, WIDTH)).astype(np.float32)
    stages = []
    for width in (len(PLAN_FEATURES), WIDTH):
        model = BoostedRanker()
        model.fit(x[:, :width], sign * x[:, 2].astype(float), np.arange(600) % 6)
        stages.append(model)
    return module("prepare").Rankers(plan=stages[0], ir=stages[1])


def test_pool_file_round_trip_and_same_bytes(tmp_path, prepared):
    pool = module("pool")
    file = pool.PoolFile(meta={"seed": 7}, pools=(prepared.pool,))
    for name in ("a.gz", "b.gz"):
        pool.write_pools(tmp_path / name, file)
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()
    assert pool.read_pools(tmp_path / "a.gz") == file


def test_broken_pool_file_is_one_error(tmp_path):
    (tmp_path / "p.gz").write_bytes(b"no gzip")
    with pytest.raises(UsageError, match="pool file"):
        module("pool").read_pools(tmp_path / "p.gz")


def test_judged_by_ten_measurements_else_by_the_second(prepared):
    pool = replace(prepared.pool, b_s=[5.0] * SIZE, top={"s1": [1.0, 2.0, 9.0]})
    assert pool.score_s()[:3].tolist() == [5.0, 2.0, 5.0]
    assert np.isnan(pool.first_s()[7])


def test_overlap_aborts():
    module("pool").refuse_overlap(["a"], ["b"])
    with pytest.raises(UsageError, match="1 benchmark"):
        module("pool").refuse_overlap(["a", "b"], ["b", "c"])


def test_script_names_no_training_workload_twice():
    collect = module("collect")
    names = [collect.name_of(*w) for w in collect.WORKLOADS]
    assert len(set(names)) == len(names) >= 12
    assert len({w[0] for w in collect.WORKLOADS}) >= 4
    with pytest.raises(UsageError, match="no workload"):
        collect.selected(["nothing"])


def test_every_arm_tries_each_schedule_once_and_is_repeatable(prepared):
    arms = module("arms")
    for name, arm in arms.FIXED_ARMS.items():
        run = arm(prepared, 32, 5)
        again = arm(prepared, 32, 5)
        assert run.tried.tolist() == again.tried.tolist(), name
        assert len(run.tried) == len(run.inference_s) == 32
        if name != "heuristic":
            assert len(set(run.tried.tolist())) == 32
            assert run.tried.max() < SIZE


def test_an_arm_ends_when_the_pool_does(prepared):
    run = module("arms").random_scores(prepared, SIZE + 20, 0)
    assert sorted(run.tried.tolist()) == list(range(SIZE))


def test_a_good_model_finds_the_best_at_once_and_a_contrary_one_does_not(prepared):
    arms, statistics = module("arms"), module("statistics")
    curves = {}
    for sign in (1.0, -1.0):
        arm = arms.pretrained([{"matmul": rankers(sign)}], with_heuristic=False)
        curves[sign] = statistics.regret_curve(prepared, arm(prepared, 32, 0), 32)
    assert curves[1.0][7] < 0.2
    assert curves[-1.0][0] > 1.0
    assert curves[-1.0][31] < curves[-1.0][0], "what is measured corrects the model"


def test_the_heuristic_comes_first_where_asked(prepared):
    arm = module("arms").pretrained([{"matmul": rankers(1.0)}], with_heuristic=True)
    assert arm(prepared, 8, 0).tried[0] == SIZE


def test_regret_uses_first_to_pick_and_the_rest_to_judge(prepared):
    statistics, arms = module("statistics"), module("arms")
    first_s, score_s = np.array([3.0, 1.0, np.nan, 2.0, 4.0]), np.array([4.0, 6.0, np.nan, 2.0, 3.0])
    small = replace(
        prepared, pool=replace(prepared.pool, schedules=["a", "b", "c", "d"]), first_s=first_s, score_s=score_s
    )
    run = arms.Run(tried=np.array([2, 0, 3, 1]), inference_s=np.array([0.0, 0.25, 0.25, 0.25]))
    curve = statistics.regret_curve(small, run, 5)
    assert curve.tolist() == [2.0, 1.0, 0.0, 2.0, 2.0]
    at = statistics.curve_at_seconds(small, run, curve, np.array([0.05, 0.1, 0.3, 0.46, 0.55]))
    assert at.tolist() == [2.0, 2.0, 2.0, 1.0, 0.0]


def test_claim_needs_half_the_regret_and_both_controls_beaten():
    statistics = module("statistics")
    random = np.tile(np.linspace(1.0, 2.0, 12)[:, None], (1, 4))
    regrets = {"random": random, "random_scores": random, "heuristic": random, "ours": 0.3 * random}
    found = statistics.claim(regrets, 7)
    assert found["holds"]
    assert found["ours_over"]["random"]["interval"] == pytest.approx([0.3, 0.3])
    assert not statistics.claim(regrets | {"ours": 0.6 * random}, 7)["holds"]
    assert not statistics.claim(regrets | {"heuristic": 0.1 * random}, 7)["holds"]


def test_document_and_table(prepared):
    replay, arms = module("replay"), module("arms")
    trained = {"ours": arms.pretrained([{"matmul": rankers(1.0)}], with_heuristic=False)}
    document = replay.evaluated([prepared, prepared], arms.FIXED_ARMS | trained, seeds=2, seed=7)
    assert [len(w["regret"]["ours"]) for w in document["workloads"]] == [4, 4]
    assert document["equal_trials"]["heuristic"]["mean"][0] == document["equal_trials"]["heuristic"]["mean"][3]
    text = replay.table(document)
    assert "ours ÷ random" in text
    assert text.count("\np ") == 2


def test_shuffling_keeps_each_workload_s_labels():
    from collections import Counter

    training = module("prepare")
    rows = sys.modules["ranker_training"].Rows(
        features=np.zeros((60, 2), np.float32), targets=np.arange(60.0), workloads=np.repeat(["a", "b"], 30),
        families=np.repeat(["f"], 60), generators=np.repeat(["g"], 60), data_sha256="",
        target="x86-64/rocketlake",
    )  # fmt: skip
    found = training.shuffled(rows, 1)
    assert Counter(found[:30]) == Counter(rows.targets[:30])
    assert np.mean(found == rows.targets) < 0.3


def test_models_see_nothing_of_the_family_left_out():
    training = module("prepare")
    rng = np.random.default_rng(1)
    x = rng.normal(size=(240, WIDTH)).astype(np.float32)
    rows = sys.modules["ranker_training"].Rows(
        features=x, targets=x[:, 2].astype(float), workloads=np.arange(240) % 8, families=np.arange(240) % 8 % 2,
        generators=np.arange(240) % 8, data_sha256="", target="x86-64/rocketlake",
    )  # fmt: skip
    changed = np.where(rows.families == 0, 100.0, rows.targets)
    one, other = (training.train_without(rows, t, [0], 0)[0] for t in (rows.targets, changed))
    assert one.ir.predict(x).mean.tolist() == other.ir.predict(x).mean.tolist()
