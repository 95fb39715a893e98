"""What the plug-ins compute is frozen: later versions of the features add numbers, these stay."""

import hashlib

from costmodel.export.function_features import VERSION, is_computed
from costmodel.ir.features import FUNCTION_FEATURES_V1
from costmodel.native.tables import COMPUTED


def test_version_1_of_the_function_features_never_changes():
    assert VERSION == 1
    assert len(FUNCTION_FEATURES_V1) == 185
    digest = hashlib.sha256("\n".join(FUNCTION_FEATURES_V1).encode()).hexdigest()
    assert digest == "3ba3378b62785717728df9717bbdaf43f56619e7303d89d3fc1b0bd772fe153b"
    assert set(FUNCTION_FEATURES_V1) <= set(COMPUTED)
    assert len(COMPUTED) == 219


def test_a_pass_computes_those_and_counts_of_operations():
    assert all(is_computed(f"static:{name}") for name in FUNCTION_FEATURES_V1)
    assert is_computed("count:llvm.add i32")
    assert not is_computed("static:mix_memory")
    assert not is_computed("module:ttg.num-warps")
