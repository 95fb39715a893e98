"""Values of all features of the sample programs, exactly: a faster way to compute them must not change one.

After a deliberate change of a definition (which raises `FEATURES_VERSION`) write them anew with
`python tests/ir/test_features_golden.py`, and look at the difference.
"""

import json
from pathlib import Path

import pytest

from costmodel import ir
from costmodel.ir.features import FEATURES_VERSION, feature_names

DATA = Path(__file__).parent / "data"
GOLDEN = DATA / "features.json"
SAMPLES = (
    "branches.mlir", "custom.mlir", "dot.ll", "kernels.ll", "loops.mlir", "many_loops.ll", "matmul.mlir", "misc.tir",
    "nests.mlir", "sched.tir", "tensors.mlir",
)  # fmt: skip


def values(name):
    """Features other than 0, by function."""
    functions = ir.read(DATA / name).functions
    return {
        function.name: {key: number for key, number in function.features().to_dict().items() if number}
        for function in functions
    }


@pytest.fixture(scope="module")
def golden():
    return json.loads(GOLDEN.read_text())


def test_golden_values_are_of_this_version(golden):
    assert golden["version"] == FEATURES_VERSION
    known = {key for sample in golden["samples"].values() for numbers in sample.values() for key in numbers}
    assert known <= set(feature_names())
    assert len(known) > 100


@pytest.mark.parametrize("name", SAMPLES)
def test_values_are_as_recorded(golden, name):
    expected = golden["samples"][name]
    found = values(name)
    assert list(found) == list(expected)
    for function, numbers in found.items():
        assert numbers == expected[function], function


if __name__ == "__main__":
    document = {"version": FEATURES_VERSION, "samples": {name: values(name) for name in SAMPLES}}
    GOLDEN.write_text(json.dumps(document, indent=1) + "\n")
