"""Familiarity: new functions of a known code base are nearer than those of a new one; checkpoints with and without."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from costmodel.ir import read
from costmodel.models import MODELS
from costmodel.models import familiarity as module
from costmodel.models.encode import encode_function
from costmodel.models.examples import Encoding
from costmodel.models.familiarity import Familiarity
from costmodel.models.predictor import Predictor
from costmodel.models.tensors import pack_tensors, unpack_tensors

sys.path.insert(0, str(Path(__file__).parents[1] / "contracts"))
from program_samples import METRICS, TARGETS, sample, text

DETAILS, FAMILIES, EACH = 60, 6, 12


def functions(rng, own, common):
    """Sets of details: most of their family's own, some that all families have, some of nobody else."""
    parts = rng.choice(own, 14, replace=False), rng.choice(common, 10), rng.integers(0, 1 << 32, 8)
    return np.unique(np.concatenate(parts)).astype(np.uint32)


@pytest.fixture(scope="module")
def world():
    rng = np.random.default_rng(0)
    common = rng.integers(0, 1 << 32, 40)
    pools = [rng.integers(0, 1 << 32, DETAILS) for _ in range(FAMILIES + 1)]
    train = [functions(rng, pool, common) for pool in pools[:-1] for _ in range(EACH)]
    groups = np.repeat([f"family-{i}" for i in range(FAMILIES)], EACH)
    seen = [functions(rng, pool, common) for pool in pools[:-1] for _ in range(5)]
    fresh = [functions(rng, pools[-1], common) for _ in range(30)]
    return train, groups, seen, fresh


def test_a_new_code_base_is_less_known_than_a_seen_one(world):
    train, groups, seen, fresh = world
    found = Familiarity.fit(train, groups, 1.0)
    known, unknown = found.distances(seen), found.distances(fresh)
    assert known.max() < unknown.min()
    assert (known <= 1).mean() > 0.8
    assert (unknown > 1).all()


def test_what_it_was_given_back_is_what_it_was(world):
    train, groups, seen, fresh = world
    found = Familiarity.fit(train, groups, 1.0)
    again = Familiarity.restore(unpack_tensors(pack_tensors(found.state())))
    assert again.distances([*seen, *fresh]).tolist() == found.distances([*seen, *fresh]).tolist()
    assert Familiarity.restore({}) is None


def test_the_order_of_functions_and_the_names_of_families_do_not_matter(world):
    train, groups, _, fresh = world
    order = np.random.default_rng(1).permutation(len(train))
    renamed = np.array([f"x-{name[::-1]}" for name in groups])
    other = Familiarity.fit([train[i] for i in order], renamed[order], 1.0)
    assert other.distances(fresh) == pytest.approx(Familiarity.fit(train, groups, 1.0).distances(fresh))


def test_a_bound_on_what_is_kept_still_tells_them_apart(world, monkeypatch):
    monkeypatch.setattr(module, "MAX_PAIRS", 400)
    train, groups, seen, fresh = world
    found = Familiarity.fit(train, groups, 1.0)
    assert len(found.keys) <= 400
    known, unknown = (x[~np.isnan(x)] for x in (found.distances(seen), found.distances(fresh)))
    assert np.median(known) < 1 < np.median(unknown)
    assert np.isnan(found.distance(np.array([found.below], np.uint32)))


def test_one_family_or_few_functions_teach_nothing(world):
    train, groups, _, _ = world
    assert Familiarity.fit(train, np.zeros(len(train)), 1.0) is None
    assert Familiarity.fit(train[:8], groups[:8], 1.0) is None


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    model = MODELS.get("boosted-trees")(METRICS, seed=1, rounds=4)
    model.fit(*sample(60))
    path = tmp_path_factory.mktemp("model") / "trees"
    model.save(path, {"name": "small", "targets": list(TARGETS)})
    return path


def test_a_model_keeps_it(folder):
    model = Predictor.load(folder).model
    assert model.familiarity is not None
    assert np.isfinite(model.familiarity.distance(encode_function(read(text(9, 4)).functions[0]).shingles))


def test_without_it_or_without_details_numbers_alone_decide(folder):
    predictor = Predictor.load(folder)
    encoding = encode_function(read(text(9, 4)).functions[0])
    bare = predictor.predict(Encoding(numbers=encoding.numbers), TARGETS[0])[0]
    predictor.model.familiarity = None
    assert predictor.predict(encoding, TARGETS[0])[0].known == bare.known


def test_code_unlike_any_is_not_known(folder):
    strange = """define <8 x double> @f(<8 x double> %a, ptr %p) {
  %b = load <8 x double>, ptr %p, align 2
  %c = call <8 x double> @llvm.exp.v8f64(<8 x double> %b)
  %d = fdiv arcp <8 x double> %c, %a
  %e = shufflevector <8 x double> %d, <8 x double> %a, <8 x i32> zeroinitializer
  ret <8 x double> %e
}
declare <8 x double> @llvm.exp.v8f64(<8 x double>)
"""
    assert not Predictor.load(folder).predict(read(strange), TARGETS[0])[0].known


def test_functions_that_are_all_alike_teach_a_model_that_answers(tmp_path):
    examples, targets, groups = sample(60)
    same = [examples.encodings[0]] * len(examples.encodings)
    model = MODELS.get("boosted-trees")(METRICS, seed=1, rounds=2)
    model.fit(replace(examples, encodings=same, kept={}), targets, groups)
    assert model.familiarity.farthest > 0
    assert np.isfinite(model.predict(examples).mean).all()
