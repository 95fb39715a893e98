"""The tuner's decisions: what ships, what counts after a resume, what comes first, what a vendor offers."""

from __future__ import annotations

import os
import signal
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from costmodel.core.record import Record
from costmodel.core.target import Target
from costmodel.search.backends import BACKENDS
from costmodel.search.database import Database
from costmodel.search.kernel.reference import evaluate
from costmodel.search.measure.trial import DEFAULT_SCHEDULE, Trial
from costmodel.search.measure.vendor import VENDOR
from costmodel.search.tuner.finals import decide, decide_at_once
from costmodel.search.tuner.options import TuneOptions
from costmodel.search.tuner.output import OutputFolder
from costmodel.search.tuner.resume import restore
from costmodel.search.tuner.run import make_session
from costmodel.search.tuner.search import RunKey
from costmodel.search.tuner.source import read_source
from costmodel.search.tuner.stop import Stop
from costmodel.search.tuner.vendor import operands, torch_call, vendor_call, vendor_seconds

DATA = Path(__file__).parent.parent / "data" / "tune"


@pytest.fixture(scope="module")
def workload():
    return read_source(DATA / "scale.mlir", {}).workloads[0]


def new_session(workload, seed: int = 0):
    options = TuneOptions(source=Path("in.mlir"), out=Path("OUT"), seed=seed)
    return make_session(workload, options, Target.parse("native"), BACKENDS.get("mlir")())


@pytest.fixture
def make(workload):
    return lambda seed=0: new_session(workload, seed)


class Clock:
    """A measurer that takes times from a table, once a candidate; what is not in it is wrong when measured."""

    def __init__(self, times_s: dict[str, float], default_s: float | None, wrong: set[str] = frozenset()) -> None:
        self.times_s, self.default_s, self.wrong = times_s, default_s, wrong
        self.compared: list[str] = []

    def measure(self, kernel, schedules):
        return [
            Trial(schedule=s, status="wrong", cause="by much")
            if s in self.wrong
            else Trial(schedule=s, status="ok", samples_s=(self.times_s[s],))
            for s in schedules
        ]

    def compare(self, kernel, schedules, rounds, vendor):
        self.compared = list(schedules)
        times_s = {**self.times_s, DEFAULT_SCHEDULE: self.default_s}
        samples = {s: () if times_s.get(s) is None else (times_s[s],) * rounds for s in schedules}
        return samples | ({VENDOR: (5e-3,) * rounds} if vendor else {})


class TestFinals:
    def test_the_fastest_ships(self, make):
        session = make()
        session.measured = {"a": 2e-3, "b": 3e-3}
        verdict = decide(session, Clock({"a": 2e-3, "b": 1e-3}, default_s=9e-3), checked={"a", "b"})
        assert (verdict.schedule, verdict.best_s, verdict.default_s) == ("b", 1e-3, 9e-3)
        assert verdict.vendor_s == 5e-3

    def test_the_default_ships_where_it_is_faster(self, make):
        session = make()
        session.measured = {"a": 1e-3}
        verdict = decide(session, Clock({"a": 2e-3}, default_s=1.5e-3), checked={"a"})
        assert (verdict.schedule, verdict.best_s, verdict.default_s) == (None, 1.5e-3, 1.5e-3)

    def test_a_schedule_ships_where_the_default_does_not_run(self, make):
        session = make()
        session.measured = {"a": 1e-3}
        verdict = decide(session, Clock({"a": 2e-3}, default_s=None), checked={"a"})
        assert (verdict.schedule, verdict.default_s) == ("a", None)

    def test_what_comes_from_records_is_checked_again(self, make):
        session = make()
        session.measured = {"fast": 1e-3, "slow": 2e-3}
        clock = Clock({"fast": 1e-3, "slow": 2e-3}, default_s=9e-3, wrong={"fast"})
        verdict = decide(session, clock)
        assert verdict.schedule == "slow"
        assert "fast" not in clock.compared

    def test_an_unmeasured_heuristic_does_not_ship(self, make):
        session = make()
        session.measured = {"a": 1e-3}
        clock = Clock({"a": 1e-3, session.heuristic: 1e-6}, default_s=9e-3)
        assert decide(session, clock, checked={"a"}).schedule == "a"
        assert session.heuristic not in clock.compared

    @pytest.mark.parametrize(("default_s", "ships"), [(9e-3, "a"), (None, "a"), (1e-4, None)])
    def test_without_time_the_search_decides(self, make, default_s, ships):
        session = make()
        session.measured, session.default_s = {"a": 1e-3, "b": 2e-3}, default_s
        assert decide_at_once(session).schedule == ships

    def test_without_time_and_measurements_the_default_ships(self, make):
        assert decide_at_once(make()).schedule is None


class TestOrder:
    def test_the_same_seed_proposes_the_same(self):
        matmul = next(w for w in read_source(DATA / "many.mlir", {}).workloads if w.kernel.family == "matmul")
        first, again, other = (new_session(matmul, seed).propose(8) for seed in (1, 1, 2))
        assert [p.schedule for p in first] == [p.schedule for p in again]
        assert [p.schedule for p in first] != [p.schedule for p in other]
        assert len({p.schedule for p in first}) == 8

    def test_the_heuristic_comes_first(self, make):
        session = make()
        assert session.propose(2)[0].schedule == session.heuristic


def record(key: RunKey, workload_id: str, schedule: str, **changes) -> Record:
    fields = {"session": key.session, "trial": 0, "seed": 0, "status": "ok", "samples_s": (1e-3,)} | changes
    if fields["status"] != "ok":
        fields["samples_s"] = ()
    return Record(**{**key.query(workload_id), "schedule": schedule, **fields})


class TestResume:
    @pytest.fixture
    def key(self):
        return RunKey(target=Target.parse("native"), backend="mlir", toolchain="t-1", session="mine", seed=0)

    @pytest.fixture
    def texts(self, make):
        return [p.schedule for p in make(5).propose(4)]

    def test_own_trials_count_and_others_teach(self, make, key, workload, texts):
        records = [
            record(key, workload.workload_id, texts[0]),
            record(key, workload.workload_id, texts[1], trial=1, status="crash", cause="x"),
            record(key, workload.workload_id, texts[2], session="theirs", samples_s=(5e-4,)),
            record(key, workload.workload_id, "v9; from(the=future)", session="theirs"),
        ]
        session = make()
        history = restore(session, records, "mine")
        assert [p.trial for p in history] == [0, 1]
        assert (session.trials, session.failures) == (2, {"crash": 1})
        assert session.measured == {texts[0]: 1e-3, texts[2]: 5e-4}
        assert session.best_schedule == texts[2]
        proposed = {p.schedule for p in session.propose(8)}
        assert not proposed & set(texts[:3])

    def test_once_wrong_is_wrong(self, make, key, workload, texts):
        records = [
            record(key, workload.workload_id, texts[0], status="wrong", cause="x"),
            record(key, workload.workload_id, texts[0], session="later"),
        ]
        session = make()
        restore(session, records, "mine")
        assert session.measured == {}

    @pytest.mark.parametrize("change", [{"toolchain": "t-2"}, {"target": Target.parse("x86-64/znver2")}])
    def test_another_target_or_toolchain_is_a_miss(self, tmp_path, key, workload, texts, change):
        with Database.open(tmp_path / "records.db") as database:
            database.add(record(replace(key, **change), workload.workload_id, texts[0]))
            assert database.query(**key.query(workload.workload_id)) == []
            database.add(record(key, workload.workload_id, texts[0]))
            assert len(database.query(**key.query(workload.workload_id))) == 1


class TestOutputFolder:
    def test_a_failed_run_leaves_nothing(self, tmp_path):
        out = tmp_path / "a" / "b"
        folder = OutputFolder(out)
        Database.open(out / "records.db").close()
        folder.abandon(out / "records.db")
        assert list(tmp_path.iterdir()) == []

    def test_records_are_kept_and_name_the_session(self, tmp_path, workload):
        folder = OutputFolder(tmp_path / "a")
        key = RunKey(target=Target.parse("native"), backend="b", toolchain="t", session=folder.session, seed=0)
        with Database.open(tmp_path / "a" / "records.db") as database:
            database.add(record(key, workload.workload_id, "v1"))
        folder.abandon(tmp_path / "a" / "records.db")
        assert (tmp_path / "a" / "records.db").exists()
        assert OutputFolder(tmp_path / "a").session == folder.session

    def test_what_was_there_stays(self, tmp_path):
        (tmp_path / "thing").touch()
        OutputFolder(tmp_path).abandon(tmp_path / "records.db")
        assert (tmp_path / "thing").exists()


class TestStop:
    def test_an_interrupt_ends_a_wait_and_is_not_raised(self):
        before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job starts with it ignored
        with Stop() as stop:
            handle: Future[int] = Future()
            os.kill(os.getpid(), signal.SIGINT)
            assert stop.wait(handle) is None
            assert handle.cancelled()
            assert (stop.interrupted, stop.due, stop.left_s()) == (True, True, 0.0)
            os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        signal.signal(signal.SIGINT, before)

    def test_what_is_done_is_taken_even_if_the_end_is_due(self):
        with Stop(search_until_s=0.0) as stop:
            handle: Future[int] = Future()
            handle.set_result(3)
            assert stop.wait(handle) == 3
            assert stop.wait(Future()) is None


def conv(layout: str, *, stride: int = 1, dilation: int = 1) -> str:
    size = (6 - 1) * stride + (3 - 1) * dilation + 1
    image, weight, out = {
        "nchw_fchw": (f"1x4x{size}x{size}", "8x4x3x3", "1x8x6x6"),
        "nhwc_hwcf": (f"1x{size}x{size}x4", "3x3x4x8", "1x6x6x8"),
    }[layout]
    attributes = f"{{dilations = dense<{dilation}> : tensor<2xi64>, strides = dense<{stride}> : tensor<2xi64>}}"
    return f"""func.func @conv(%i: tensor<{image}xf32>, %w: tensor<{weight}xf32>) -> tensor<{out}xf32> {{
  %z = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<{out}xf32>
  %f = linalg.fill ins(%z : f32) outs(%e : tensor<{out}xf32>) -> tensor<{out}xf32>
  %r = linalg.conv_2d_{layout} {attributes} ins(%i, %w : tensor<{image}xf32>, tensor<{weight}xf32>)
    outs(%f : tensor<{out}xf32>) -> tensor<{out}xf32>
  return %r : tensor<{out}xf32>
}}
"""


def matmul(kind: str) -> str:
    t = f"tensor<8x8x{kind}>"
    return f"""func.func @mm(%a: {t}, %b: {t}, %c: {t}) -> {t} {{
  %r = linalg.matmul ins(%a, %b : {t}, {t}) outs(%c : {t}) -> {t}
  return %r : {t}
}}
"""


class TestVendor:
    @pytest.mark.parametrize("layout", ["nchw_fchw", "nhwc_hwcf"])
    @pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 2)])
    def test_a_convolution_gives_the_same_numbers(self, tmp_path, layout, stride, dilation):
        pytest.importorskip("torch", reason="needs the torch extra")
        path = tmp_path / "conv.mlir"
        path.write_text(conv(layout, stride=stride, dilation=dilation))
        (workload,) = read_source(path, {}).workloads
        call = vendor_call(workload.kernel)
        assert call is not None
        arrays = operands(call)
        found = torch_call(call, arrays)().numpy()
        kernel = workload.kernel
        given = [a.reshape(kernel.by_name[n].shape) for n, a in zip(kernel.inputs, arrays, strict=True)]
        (result,) = evaluate(kernel, dict(zip(kernel.inputs, given, strict=True))).values()
        if layout == "nhwc_hwcf":
            found = np.moveaxis(found, 1, -1)
        np.testing.assert_allclose(found.reshape(result.shape), result, rtol=1e-4, atol=1e-4)

    def test_what_torch_does_not_do_has_no_counterpart(self, tmp_path):
        for kind in ("f32", "i32"):
            path = tmp_path / f"{kind}.mlir"
            path.write_text(matmul(kind))
            assert [vendor_call(w.kernel) for w in read_source(path, {}).workloads] == [None]

    @pytest.mark.parametrize(("scaled", "offered"), [(False, True), (True, False)])
    def test_only_the_very_softmax_counts(self, tmp_path, scaled, offered):
        pytest.importorskip("torch", reason="needs the torch extra")
        scale = "%x = linalg.mul ins(%a, %a : T, T) outs(%e : T) -> T" if scaled else ""
        text = f"""func.func @f(%a: T) -> T {{
  %e = tensor.empty() : T
  {scale}
  %r = linalg.softmax dimension(1) ins({"%x" if scaled else "%a"} : T) outs(%e : T) -> T
  return %r : T
}}
"""
        path = tmp_path / "softmax.mlir"
        path.write_text(text.replace("T", "tensor<32x64xf32>"))
        (workload,) = read_source(path, {}).workloads
        assert workload.kernel.family == "softmax"
        found = vendor_seconds({"it": workload.kernel})
        assert ("it" in found) is offered
        assert vendor_seconds({"it": workload.kernel}, budget_s=0.0) == {}
