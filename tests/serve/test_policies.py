"""What every registered policy promises, and what the fitted ones do."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel.core.errors import UnknownNameError
from costmodel.serve.advisors import ADVISORS, BadAnswer, get_advisor
from costmodel.serve.policies import POLICIES
from costmodel.serve.policies.inline_cost import GrowthModel, shipped_model
from costmodel.serve.tensors import parse_header

ALL = [(advisor, name) for advisor in ADVISORS for name in POLICIES[advisor]]
WHOLE = ("mask", "is_hint", "is_local", "max_stage", "li_size", "stage")
HARD = (0.0, -1.0, 0.5, 1e30, float("inf"), float("-inf"), float("nan"))


def observation(advisor, names, draw):
    """A record with these features, filled by `draw(name, length, whole)`."""
    length = 33 if advisor == "regalloc-evict" else 1
    shape = (1, 33) if length == 33 else (1,)
    whole = {name: advisor == "inliner" or name in WHOLE for name in names}
    record = np.zeros(1, np.dtype([(name, "<i8" if whole[name] else "<f4", shape) for name in names]))
    for name in names:
        record[name] = np.reshape(draw(name, length, whole[name]), shape)
    return record[0]


@pytest.mark.parametrize(("advisor", "name"), ALL)
@settings(max_examples=20)
@given(data=st.data())
def test_every_answer_may_be_given_whatever_is_asked(advisor, name, data):
    policy = POLICIES[advisor].get(name)()
    assert policy.name == name
    names = tuple(dict.fromkeys((*policy.needs, *ADVISORS[advisor].features)))

    def draw(feature, length, whole):
        if feature == "mask":
            allowed = data.draw(st.sets(st.integers(0, 32), min_size=1))
            return [int(i in allowed) for i in range(33)]
        one = st.integers(-(2**40), 2**40) if whole else st.sampled_from(HARD)
        return data.draw(st.lists(one, min_size=length, max_size=length))

    asked = observation(advisor, names, draw)
    policy.begin("f")
    checked = get_advisor(advisor).check(policy.decide(asked), asked)
    assert len(get_advisor(advisor).encode(checked)) == np.dtype(get_advisor(advisor).dtype).itemsize
    fallback = get_advisor(advisor).fallback(asked)
    assert get_advisor(advisor).check(fallback, asked) == fallback


@pytest.mark.parametrize(
    ("advisor", "answers"),
    [
        ("inliner", (2, -1, 0.5, float("nan"))),
        ("regalloc-evict", (-1, 33, 2, 1.5)),
        ("regalloc-priority", (-1.0, 2.0**32, float("inf"), float("nan"))),
    ],
)
def test_an_answer_that_must_not_be_given_is_caught(advisor, answers):
    asked = observation(advisor, ("mask", "li_size"), lambda name, length, _: [int(i != 2) for i in range(length)])
    for answer in answers:
        with pytest.raises(BadAnswer):
            get_advisor(advisor).check(answer, asked)


def test_unknown_advisors_are_named():
    with pytest.raises(UnknownNameError, match="'x'; known: inliner, regalloc-evict"):
        get_advisor("x")


def test_the_growth_model_walks_its_trees():
    tree = {"feature": [[0, 1, 0]], "threshold": [[10, 5, 20]], "leaf": [[1.0, 2.0, 3.0, 4.0]]}
    model = GrowthModel.parse(json.dumps({"schema_version": 1, "names": ["a", "b"], "bias": 0.5, **tree}))

    def grown(a, b):
        return model.grown(observation("inliner", ("a", "b"), lambda name, *_: [a if name == "a" else b]))

    assert [grown(9, 4), grown(9, 5), grown(10, 9), grown(20, 0)] == [1.5, 2.5, 3.5, 4.5]


def test_a_dead_static_callee_is_worth_inlining_and_a_large_one_is_not():
    names = shipped_model().names
    small = {"callee_users": 1, "last_call_to_static_bonus": 1, "cost_estimate": -15000, "callee_basic_block_count": 1}
    large = {"callee_users": 20, "cost_estimate": 900, "callee_basic_block_count": 40, "callsite_cost": -30,
             "unsimplified_common_instructions": 800}  # fmt: skip
    policy = POLICIES["inliner"].get("cost")()
    decided = [policy.decide(observation("inliner", names, lambda n, *_, v=v: [v.get(n, 0)])) for v in (small, large)]
    assert decided == [1, 0]


def test_headers_give_the_record_llvm_sends():
    line = (
        b'{"features":[{"name":"m","type":"int64_t","port":0,"shape":[1,2]},{"name":"f","type":"float","shape":[3]}],'
    )
    header = parse_header(line + b'"advice":{"name":"a","type":"int64_t","port":0,"shape":[1]}}', "c")
    assert header.record.itemsize == 2 * 8 + 3 * 4
    assert (header.names, header.advice.size_bytes, header.score) == (("m", "f"), 8, None)
