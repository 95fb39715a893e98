"""`Predictor`: loading by name and path, batches in order, refusals, threads; and what it does with odd programs."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from costmodel.core.errors import CheckpointError, UnknownNameError, UnsupportedError, UsageError
from costmodel.ir import read
from costmodel.models import MODELS
from costmodel.models.encode import encode_function
from costmodel.models.examples import Encoding
from costmodel.models.predictor import Predictor

sys.path.insert(0, str(Path(__file__).parents[1] / "contracts"))
from program_samples import METRICS, TARGETS, sample, text


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "trees"
    model = MODELS.get("boosted-trees")(METRICS, seed=1, rounds=30)
    model.fit(*sample(48))
    card = {"name": "small", "targets": list(TARGETS), "pipelines": ["p-v1"]}
    model.save(path, card)
    return path


@pytest.fixture(scope="module")
def predictor(folder):
    return Predictor.load(folder)


def test_answers_stand_in_the_order_of_functions_and_targets(predictor):
    program = read(text(5, 2) + text(30, 9).replace("@f", "@g"))
    answers = predictor.predict(program, TARGETS)
    assert [(a.name, a.target) for a in answers] == [(n, t) for n in "fg" for t in TARGETS]
    assert answers[0].metrics["instructions"].mean < answers[2].metrics["instructions"].mean
    assert {m.unit for a in answers for m in a.metrics.values()} == {"instructions", "spills", "fraction"}
    assert all(a.pipeline == "p-v1" for a in answers)


def test_it_learned_what_the_labels_say(predictor):
    answer = predictor.predict(read(text(20, 10)), TARGETS[0])[0]
    assert answer.metrics["instructions"].mean == pytest.approx(43, rel=0.2)
    assert answer.metrics["spills"].nonzero is not None
    assert answer.metrics["instructions"].nonzero is None


def test_renaming_and_formatting_change_nothing(predictor):
    plain = text(9, 4)
    other = plain.replace("%v", "%another.name").replace("  ", "      ")
    assert predictor.predict(read(plain), TARGETS[0]) == predictor.predict(read(other), TARGETS[0])


def test_metrics_are_chosen_by_name(predictor):
    answer = predictor.predict(read(text(3, 1)), TARGETS[0], ["spills"])[0]
    assert list(answer.metrics) == ["spills"]


def test_a_gpu_gets_only_the_metrics_it_has(predictor):
    assert "port_utilisation" not in predictor.predict(read(text(3, 1)), "nvptx64/sm_90")[0].metrics


def test_an_architecture_without_training_data_is_not_known(predictor):
    assert not predictor.predict(read(text(3, 1)), "nvptx64/sm_90")[0].known


def test_a_program_like_no_other_is_not_known(predictor):
    lines = [f"  %d{i} = call double @llvm.sqrt.f64(double %a)" for i in range(300)]
    odd = "declare double @llvm.sqrt.f64(double)\ndefine double @f(double %a) {\n" + "\n".join(lines)
    odd += "\n  ret double %d299\n}\n"
    assert not predictor.predict(read(odd), TARGETS[0])[0].known
    assert predictor.predict(read(text(20, 10)), TARGETS[0])[0].known


def test_an_unseen_target_is_asked_about_by_its_numbers(predictor):
    assert predictor.predict(read(text(9, 4)), "x86-64/znver5")[0].metrics["instructions"].mean > 0


def test_no_program_gives_no_answer(predictor):
    assert predictor.predict([], TARGETS[0]) == []


def test_threads_get_the_same_answers(predictor):
    programs = [read(text(n, 3)) for n in range(2, 26)]
    alone = [predictor.predict(program, TARGETS[0]) for program in programs]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda program: predictor.predict(program, TARGETS[0]), programs)) == alone


def test_an_unknown_target_offers_the_nearest(predictor):
    with pytest.raises(UnknownNameError, match=r"known: native.*did you mean 'x86-64/znver"):
        predictor.predict(read(text(3, 1)), "x86-64/znver9")


def test_an_unknown_metric_offers_the_nearest(predictor):
    with pytest.raises(UnknownNameError, match="did you mean 'spills'"):
        predictor.predict(read(text(3, 1)), TARGETS[0], ["spils"])


def test_a_metric_it_was_not_trained_on_is_refused(predictor):
    with pytest.raises(UnsupportedError, match="not trained on metric 'cycles'"):
        predictor.predict(read(text(3, 1)), TARGETS[0], ["cycles"])


def test_a_metric_the_target_does_not_have_is_refused(predictor):
    with pytest.raises(UnsupportedError, match="does not exist"):
        predictor.predict(read(text(3, 1)), "nvptx64/sm_90", ["port_utilisation"])


def test_an_unknown_pipeline_is_refused(predictor):
    with pytest.raises(UnknownNameError, match="did you mean 'p-v1'"):
        predictor.predict(read(text(3, 1)), TARGETS[0], pipeline="p-v2")


def test_a_pipeline_and_a_schedule_are_refused(predictor):
    with pytest.raises(UsageError, match="not both"):
        predictor.predict(read(text(3, 1)), TARGETS[0], pipeline="p-v1", schedule="v1; unroll(k=4)")


def test_an_empty_function_is_refused(predictor):
    with pytest.raises(UsageError, match="is empty"):
        predictor.predict(
            read('"func.func"() <{sym_name = "f", function_type = () -> ()}> ({\n^bb0:\n}) : () -> ()'), TARGETS[0]
        )


def test_a_text_that_was_not_read_is_refused(predictor):
    with pytest.raises(UsageError, match="a text is no program"):
        predictor.predict("define void @f() {\n  ret void\n}\n", TARGETS[0])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_feature_that_is_not_finite_is_refused(predictor, value):
    good = encode_function(read(text(3, 1)).functions[0])
    with pytest.raises(UsageError, match=r"static:flops.*expected a finite number"):
        predictor.predict(Encoding(numbers={**good.numbers, "static:flops": value}), TARGETS[0])


def test_a_very_large_function_is_answered_or_refused_not_wrong(predictor):
    good = encode_function(read(text(3, 1)).functions[0])
    large = {name: value * 1e6 for name, value in good.numbers.items()}
    answer = predictor.predict(Encoding(numbers=large), TARGETS[0])[0]
    assert answer.metrics["instructions"].mean > 1e5
    assert not answer.known


def test_a_name_that_is_not_shipped_lists_those_that_are():
    with pytest.raises(UnknownNameError, match="neither a folder nor shipped"):
        Predictor.load("no-such-model")


def test_a_ranker_of_schedules_is_refused():
    with pytest.raises(UsageError, match="ranks the tuner's schedules"):
        Predictor.load("ranker-ir")


def test_a_folder_that_is_no_checkpoint_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="no readable checkpoint"):
        Predictor.load(tmp_path)


def test_a_model_of_a_later_version_is_refused(folder, tmp_path):
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    card = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps({**card, "model": "oracle"}))
    with pytest.raises(CheckpointError, match="'oracle'"):
        Predictor.load(tmp_path)


def test_predicting_needs_no_torch(folder, tmp_path):
    (tmp_path / "f.ll").write_text(text(5, 2))
    file = str(tmp_path / "f.ll")
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from costmodel.cli.main import main\n"
        f"arguments = ['predict', {file!r}, '--target', 'x86-64/znver4', '--model', {str(folder)!r}]\n"
        "assert main(arguments) == 0\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "instructions" in done.stdout


def test_few_and_many_rows_agree(predictor):
    encodings = [encode_function(read(text(n, 3)).functions[0]) for n in range(2, 40)]
    together = predictor.predict(encodings, TARGETS[0])
    for one, whole in zip(encodings, together, strict=True):
        alone = predictor.predict(one, TARGETS[0])[0]
        for name, metric in alone.metrics.items():
            np.testing.assert_allclose(metric.mean, whole.metrics[name].mean, rtol=1e-4, atol=1e-6)
