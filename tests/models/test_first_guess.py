"""What trees start from: sums of estimates, one for each architecture and regime."""

import numpy as np

from costmodel.core.target import Target
from costmodel.models.context import CODEGEN, context_names, context_rows
from costmodel.models.examples import Encoding, Examples
from costmodel.models.trees import BoostedTrees


def examples(sizes, standing):
    """Functions of so many expected instructions, with variables as values and in memory."""
    target = Target.parse("aarch64/neoverse-v2")
    encodings = [
        Encoding(
            numbers={"static:ops": 20.0, "static:machine_instructions_a64": m, "static:frame_instructions_a64": f},
            tokens=None,
            graph=None,
        )
        for m, f in zip(sizes, standing, strict=True)
    ]
    return Examples(
        encodings=encodings,
        program=np.arange(len(encodings)),
        context=context_rows([(target, CODEGEN, None)] * len(encodings)),
        context_names=context_names(),
        archs=np.array([target.arch] * len(encodings)),
    )


def test_variables_that_no_training_function_has_do_not_mislead():
    sizes = np.random.default_rng(0).uniform(10, 300, 80).round()
    model = BoostedTrees(("instructions",), rounds=1, threads=1)
    model.fit(examples(sizes, sizes), 1.5 * sizes[:, None], np.arange(80) % 8)
    found = model.predict(examples([80.0, 80.0], [80.0, 200.0])).mean[:, 0]
    assert abs(found[0] / 120 - 1) < 0.06
    assert abs(found[1] / 300 - 1) < 0.06  # their code is what stays in memory, none of it the other estimate's
