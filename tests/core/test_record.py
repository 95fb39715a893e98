"""Records and the checks on stored JSON."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.core.errors import ParseError, UsageError
from costmodel.core.record import STATUSES, Record

times = st.floats(min_value=1e-9, max_value=1e4)
maybe = st.none() | times


def make_record(**changes) -> Record:
    fields = {
        "workload_id": "w",
        "target": "x86-64/znver4",
        "device": "here",
        "backend": "mlir",
        "toolchain": "llvm-22.1",
        "schedule": "v1; pack(b)",
        "session": "s",
        "trial": 0,
        "seed": 0,
        "status": "ok",
        "samples_s": (3.0, 1.0, 2.0),
    }
    return Record(**(fields | changes))


@given(
    status=st.sampled_from(STATUSES),
    samples_s=st.lists(times, min_size=1, max_size=5).map(tuple),
    cause=st.text(),
    schedule=st.text(),
    trial=st.integers(0, 1 << 40),
    compile_s=maybe,
    max_abs_error=st.none() | st.floats(min_value=0),
    predicted_mean_s=maybe,
    predicted_std_s=maybe,
)
def test_json_round_trip(**fields):
    record = make_record(**fields)
    text = json.dumps(record.to_json(), allow_nan=False)
    assert Record.from_json(json.loads(text)) == record


def test_the_runtime_is_the_median():
    assert make_record().runtime_s == 2.0
    assert make_record(status="crash", samples_s=()).runtime_s is None
    assert make_record(samples_s=(), runtime_s=0.5).runtime_s == 0.5


def test_the_contracts_fields_and_version():
    assert list(make_record().to_json()) == [
        "schema_version",
        *"workload_id target device backend toolchain schedule session trial seed status cause samples_s".split(),
        *"runtime_s compile_s max_abs_error predicted_mean_s predicted_std_s".split(),
    ]


def test_the_key_leaves_out_the_schedule():
    assert make_record(schedule="a", trial=1).key == make_record(schedule="b").key
    for name in ("workload_id", "target", "device", "backend", "toolchain"):
        assert make_record(**{name: "other"}).key != make_record().key


def test_errors_that_are_not_finite_are_absent():
    assert make_record(status="nan", max_abs_error=float("nan")).max_abs_error is None
    assert make_record(status="wrong", max_abs_error=float("inf")).max_abs_error is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"status": "fine"}, "compile_timeout"),
        ({"samples_s": ()}, "neither"),
        ({"samples_s": (1.0, -1.0)}, "positive"),
        ({"samples_s": (float("nan"),)}, "positive"),
        ({"samples_s": (), "runtime_s": float("inf")}, "positive"),
    ],
)
def test_misuse(changes, words):
    with pytest.raises(UsageError, match=words):
        make_record(**changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"schema_version": 2}, "schema_version is 2"),
        ({"schema_version": None}, "schema_version is None"),
        ({"trial": "0"}, "'trial' is str"),
        ({"trial": True}, "'trial' is bool"),
        ({"samples_s": [1.0, None]}, "expected numbers"),
        ({"samples_s": 1.0}, "'samples_s' is float"),
        ({"status": "fine"}, "known: ok"),
        ({"target": None}, "expected str"),
    ],
)
def test_bad_documents(changes, words):
    with pytest.raises(ParseError, match=words):
        Record.from_json(make_record().to_json() | changes)


def test_a_missing_field():
    document = make_record().to_json()
    del document["seed"]
    with pytest.raises(ParseError, match="'seed' is missing"):
        Record.from_json(document)


def test_records_do_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        make_record().trial = 1
