"""Advisor channels: a real server process, real FIFOs, a fake compiler that speaks as LLVM 22 does."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

CALLS = [["", [{"inlining_default": [i % 3 == 0], "cost_estimate": [i], "threshold": [5]} for i in range(9)]]]


def eviction(allowed, weights, **more):
    mask = [int(i in allowed) for i in range(33)]
    return {"mask": mask, "use_def_density": [float(weights.get(i, 0)) for i in range(33)], **more}


def summary(running):
    status, out, err = running.end()
    assert status == 0, err
    return json.loads(out)


def test_llvm_s_own_inlining_comes_back(serve, compiler, base):
    server = serve("inliner", "--policy", "default")
    fake = compiler("inliner", CALLS)
    assert json.loads(fake.end()[1]) == [1, 0, 0] * 3
    found = summary(server)
    assert (found["queries"], found["answers"], found["fallbacks"], found["contexts"]) == (9, 9, 0, 1)
    assert found["complete"]
    assert (found["advisor"], found["policy"], found["schema_version"]) == ("inliner", "default", 1)
    assert not list(base.parent.iterdir())


@pytest.mark.parametrize(("policy", "answer"), [("always", 1), ("never", 0)])
def test_inlining_all_and_nothing(serve, compiler, policy, answer):
    server = serve("inliner", "--policy", policy)
    assert json.loads(compiler("inliner", CALLS).end()[1]) == [answer] * 9
    assert summary(server)["answers"] == 9


@pytest.mark.parametrize(
    ("policy", "question", "answer"),
    [
        ("default", eviction({1, 4, 32}, {1: 0.5, 4: 0.2, 32: 1.0}), 4),
        ("default", eviction({1, 4, 32}, {1: 1.0, 4: 0.9, 32: 0.3}), 32),
        ("default", eviction({1, 4, 32}, {1: 1.0, 4: 0.9, 32: 0.3}, is_hint=[0, 1]), 1),
        ("default", eviction({1, 4}, {1: 1.0, 4: 0.9, 0: 0.1}), 4),
        ("default", eviction({3}, {3: float("nan")}), 3),
        ("never", eviction({1, 4, 32}, {1: 0.5, 4: 0.2, 32: 1.0}), 32),
        ("never", eviction({5, 9}, {5: float("inf"), 9: float("inf")}), 5),
        ("never", eviction({5, 9}, {5: 0.7, 9: 0.1, 0: 0}), 9),
    ],
)
def test_evictions_never_name_a_masked_register(serve, compiler, policy, question, answer):
    server = serve("regalloc-evict", "--policy", policy)
    fake = compiler("regalloc-evict", [["f", [question]], ["g", [question]]])
    assert json.loads(fake.end()[1]) == [answer, answer]
    found = summary(server)
    assert (found["contexts"], found["fallbacks"]) == (2, 0)


def test_priorities_order_live_ranges_by_size_and_defer_the_split(serve, compiler):
    server = serve("regalloc-priority")
    questions = [{"li_size": [s], "stage": [t]} for s, t in ((64, 1), (256, 1), (4000, 2))]
    small, large, split = json.loads(compiler("regalloc-priority", [["f", questions]]).end()[1])
    assert 0 <= split < small < large
    assert summary(server)["answers"] == 3


def test_an_infinite_weight_is_still_a_priority_llvm_can_read(serve, compiler):
    server = serve("regalloc-priority", "--policy", "weight")
    questions = [{"weight": [w]} for w in (float("inf"), 0.25, 1e30)]
    answers = json.loads(compiler("regalloc-priority", [["f", questions]]).end()[1])
    assert all(0 <= answer < 2**32 for answer in answers)
    assert answers[1] < answers[2] <= answers[0]
    assert summary(server)["fallbacks"] == 0


def test_compilers_in_turn_and_outcomes_of_a_training_build(serve, compiler):
    server = serve("inliner", "--compilers", "2")
    score = {"score": {"name": "reward", "type": "float", "port": 0, "shape": [1]}}
    header = {
        "features": [{"name": n, "type": "int64_t", "port": 0, "shape": [1]} for n in
                     ("cost_estimate", "threshold", "inlining_default")],
        "advice": {"name": "inlining_decision", "type": "int64_t", "port": 0, "shape": [1]},
    }  # fmt: skip
    for _ in range(2):
        one = compiler("inliner", CALLS, header=header | score, outcome=True)
        assert json.loads(one.end()[1]) == [1, 0, 0] * 3
    found = summary(server)
    assert [one["outcomes"] for one in found["compilers"]] == [1, 1]
    assert found["queries"] == 18


def test_a_second_compiler_gets_llvm_s_choice_and_no_other_s_answer(serve, compiler, base, until):
    server = serve("inliner", "--policy", "never")
    entry = Path(f"{base}.in").stat().st_ino
    first = compiler("inliner", CALLS, linger_s=1.0)
    until(lambda: Path(f"{base}.in").stat().st_ino != entry, "first compiler", server.process)
    second = compiler("inliner", CALLS)
    assert json.loads(first.end()[1]) == [0] * 9
    assert json.loads(second.end()[1]) == [1, 0, 0] * 3
    status, out, err = server.end()
    assert status == 0
    assert (json.loads(out)["refused"], json.loads(out)["queries"]) == (1, 9)
    assert "which is taken" in err


def test_a_second_server_is_refused_and_the_first_goes_on(serve, start, compiler, base):
    server = serve("inliner", "--policy", "always")
    other = start(*server.process.args)
    status, out, err = other.end()
    assert (status, out) == (2, "")
    assert "another server answers the channel" in err
    assert json.loads(compiler("inliner", CALLS).end()[1]) == [1] * 9
    assert summary(server)["answers"] == 9


def test_two_channels_are_apart(serve, compiler, tmp_path):
    servers = [serve("inliner", "--policy", policy, at=tmp_path / policy) for policy in ("always", "never")]
    fakes = [compiler("inliner", CALLS, at=tmp_path / policy, pause_s=0.01) for policy in ("always", "never")]
    assert [json.loads(fake.end()[1]) for fake in fakes] == [[1] * 9, [0] * 9]
    assert [summary(server)["answers"] for server in servers] == [9, 9]


def test_a_killed_compiler_ends_the_server_in_order(serve, compiler, base):
    server = serve("inliner")
    assert compiler("inliner", CALLS, die_at=4).end()[0] == -signal.SIGKILL
    found = summary(server)
    assert (found["queries"], found["answers"], found["complete"]) == (4, 4, False)
    assert "closed in the middle of a message" in found["compilers"][0]["messages"][0]
    assert not list(base.parent.iterdir())


def test_a_compiler_that_ends_without_a_word(serve, base):
    server = serve("inliner")
    inbound = os.open(f"{base}.in", os.O_RDONLY)
    outbound = os.open(f"{base}.out", os.O_WRONLY)
    os.close(inbound)
    os.close(outbound)
    found = summary(server)
    assert (found["queries"], found["complete"]) == (0, False)


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ({"first_line": "hello"}, "expected a JSON header"),
        ({"first_line": "[1]"}, "expected an object"),
        ({"first_line": '{"features": []}'}, "'advice' is missing"),
        ({"first_line": '{"features": [], "advice": {"name": "a", "type": "float", "shape": [1]}}'}, "no features"),
        ({"first_line": '{"features": [{"name": "a", "type": "half", "shape": [1]}], "advice": {}}'}, "'half'; known:"),
        ({"first_line": '{"features": [{"name": "a", "type": "float", "shape": [-1]}], "advice": {}}'}, "shape [-1]"),
        (
            {"first_line": '{"features": [{"name": "a", "type": "float", "shape": [99999999]}], '
                           '"advice": {"name": "a", "type": "float", "shape": [1]}}'},
            "expected at most",
        ),
        ({"garble_at": 2}, "not followed by a newline"),
    ],
)  # fmt: skip
def test_what_is_no_channel_is_refused_in_one_line(serve, compiler, plan, message):
    server = serve("inliner")
    compiler("inliner", CALLS, **plan)
    status, _, err = server.end()
    assert status == 2
    assert message in err
    assert "Traceback" not in err


def test_another_advisor_s_compiler_is_refused_but_not_left_waiting(serve, compiler):
    server = serve("inliner", "--policy", "always")
    questions = [eviction({1, 4, 32}, {1: 0.5}), eviction({7, 9}, {})]
    fake = compiler("regalloc-evict", [["f", questions]])
    assert json.loads(fake.end()[1]) == [32, 7]
    status, out, err = server.end()
    assert status == 2
    assert "that is regalloc-evict's" in err
    assert json.loads(out)["fallbacks"] == 2


def test_a_missing_feature_is_named_and_llvm_goes_on_alone(serve, compiler):
    server = serve("inliner", "--policy", "default")
    names = ("cost_estimate", "threshold")
    one = {"type": "int64_t", "port": 0, "shape": [1]}
    header = {"features": [{"name": n, **one} for n in names], "advice": {"name": "inlining_decision", **one}}
    questions = [{"cost_estimate": [-20], "threshold": [5]}, {"cost_estimate": [900], "threshold": [5]}]
    fake = compiler("inliner", [["", questions]], header=header)
    assert json.loads(fake.end()[1]) == [1, 0]
    status, _, err = server.end()
    assert status == 2
    assert "-inliner-interactive-include-default" in err


def test_nothing_is_answered_where_everything_is_masked(serve, compiler):
    server = serve("regalloc-evict")
    fake = compiler("regalloc-evict", [["f", [eviction(set(), {})]]])
    assert json.loads(fake.end()[1]) == [None]
    status, _, err = server.end()
    assert status == 2
    assert "every index of the observation is masked" in err


@pytest.mark.parametrize("name", ["channel.in", "channel.out"])
def test_a_file_in_the_way_is_left_alone(start, base, name, serve):
    obstacle = base.parent / name
    obstacle.write_text("precious")
    other = serve("inliner", at=base.parent / "other")
    command = [str(part).replace(str(base.parent / "other"), str(base)) for part in other.process.args]
    status, _, err = start(*command).end()
    assert status == 2
    assert "is no FIFO" in err
    assert obstacle.read_text() == "precious"
    assert sorted(path.name for path in base.parent.glob("channel*")) == [name]


def test_fifos_that_were_there_are_used_and_kept(serve, compiler, base):
    os.mkfifo(f"{base}.in")
    os.mkfifo(f"{base}.out")
    server = serve("inliner")
    assert json.loads(compiler("inliner", CALLS).end()[1]) == [1, 0, 0] * 3
    assert summary(server)["complete"]
    assert sorted(path.name for path in base.parent.iterdir()) == ["channel.in", "channel.out"]


def test_nobody_comes(serve):
    status, out, err = serve("inliner", "--wait-s", "0.2").end()
    assert (status, out) == (2, "")
    assert "no compiler opened the channel" in err


def test_a_compiler_that_falls_silent(serve, compiler):
    server = serve("inliner", "--idle-s", "0.3")
    compiler("inliner", CALLS, pause_s=20)
    status, out, err = server.end()
    assert status == 2
    assert "sent nothing for 0.3 s" in err
    assert json.loads(out)["answers"] == 1


def test_ctrl_c_before_a_compiler_has_come(serve, base):
    server = serve("inliner")
    server.interrupt()
    assert server.end()[0] == 130
    assert not list(base.parent.iterdir())


def test_ctrl_c_in_the_middle_lets_the_compiler_finish_with_its_own_choice(serve, compiler, base, until):
    server = serve("inliner", "--policy", "never")
    entry = Path(f"{base}.in").stat().st_ino
    many = [["", [{"inlining_default": [1]}] * 40]]
    fake = compiler("inliner", many, pause_s=0.02)
    until(lambda: Path(f"{base}.in").stat().st_ino != entry, "compiler", server.process)
    server.interrupt()
    status, out, _ = fake.end()
    answers = json.loads(out)
    assert status == 0
    assert len(answers) == 40
    assert answers == sorted(answers)
    assert answers[-1] == 1
    status, out, err = server.end()
    assert status == 130
    assert "LLVM's own choice" in err
    assert json.loads(out)["fallbacks"] == sum(answers)
