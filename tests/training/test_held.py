"""The hold-out of a training run: no near-duplicate crosses it; the data set's own split decides where there is one."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow")

sys.path.insert(0, str(Path(__file__).parents[1] / "contracts"))
sys.path.insert(0, str(Path(__file__).parent))
from table_samples import write_dataset

from costmodel.cli.main import main
from costmodel.core.errors import UsageError
from costmodel.core.splits import SPLIT_FILE, Split
from costmodel.core.tables import FunctionRow
from costmodel.ir.structure import near_hash
from costmodel.training import TrainConfig, TrainingTable, read_table, train
from costmodel.training.held import alike, hold


def function(name: str, constant: int, length: int, family: str) -> FunctionRow:
    lines = "".join(f"  %v{i} = add i32 {f'%v{i - 1}' if i else '%x'}, {constant}\n" for i in range(length))
    ir = f"define i32 @{name}(i32 %x) {{\n{lines}  ret i32 %v{length - 1}\n}}\n"
    return FunctionRow(
        ir=ir, format="llvm", level="llvm", stage="source", entry=name, project="p", family=family, license="MIT"
    )


def table_of(*functions: FunctionRow) -> TrainingTable:
    count = len(functions)
    return TrainingTable(
        functions=functions, function_ids=tuple(row.function_id for row in functions), function=np.arange(count),
        targets=np.array(["x86-64/znver4"] * count), pipelines=np.array(["p"] * count), metrics=("spills",),
        values=np.zeros((count, 1)), sha256="",
    )  # fmt: skip


TWINS = table_of(*[function(f"f{i}", i, 3 if i < 4 else i, f"family-{i}") for i in range(8)])


def split_of(table: TrainingTable, **parts: list[int]) -> Split:
    ids = {name: tuple(table.function_ids[i] for i in rows) for name, rows in parts.items()}
    groups = {name: tuple(table.functions[i].family for i in rows) for name, rows in parts.items()}
    whole = dict.fromkeys(("train", "validation", "test"), ())
    return Split(by="family", seed=0, fractions=(0.8, 0.1, 0.1), groups={**whole, **groups}, parts={**whole, **ids})


@pytest.mark.parametrize("split", ["by_family", "by_function"])
@pytest.mark.parametrize("seed", range(5))
def test_near_duplicates_of_what_is_learned_are_not_tested_on(split, seed):
    held = hold(TWINS, split, 0.4, seed)
    assert not (held.train & held.test).any()
    assert set(alike(TWINS, held.train)).isdisjoint(alike(TWINS, held.test))
    assert held.refused == len(TWINS) - held.train.sum() - held.test.sum()


def test_some_seed_refuses_and_without_a_share_nothing_is_held_out():
    assert any(hold(TWINS, "by_family", 0.4, seed).refused for seed in range(5))
    assert hold(TWINS, "by_family", 0.0, 0).train.all()
    with pytest.raises(UsageError, match="nothing is left to test on"):
        hold(table_of(*[function(f"f{i}", i, 3, f"family-{i}") for i in range(4)]), "by_family", 0.3, 0)


def test_the_data_sets_own_split_decides():
    table = replace(TWINS, split=replace(split_of(TWINS, train=[0, 4], validation=[5], test=[6, 7]), refused=3))
    held = hold(table, "by_family", 0.1, seed=1)
    assert np.flatnonzero(held.train).tolist() == [0, 4, 5]
    assert np.flatnonzero(held.test).tolist() == [6, 7]
    assert (held.origin, held.refused) == (SPLIT_FILE, 3)
    assert hold(table, "by_function", 0.4, seed=1).origin == "seed"
    with pytest.raises(UsageError, match="of another data set"):
        hold(replace(table, split=split_of(TWINS, train=[0, 4], test=[6])), "by_family", 0.1, seed=1)
    with pytest.raises(UsageError, match=r"split\.json leaves none"):
        hold(replace(table, split=replace(split_of(TWINS, train=[0, 4]), refused=6)), "by_family", 0.1, seed=1)


def test_by_target_a_function_may_stand_on_both_sides(tmp_path):
    table = read_table(write_dataset(tmp_path))
    names = sorted(set(table.targets.tolist()))
    assert hold(table, "by_target", 0.3, 0).refused == 0
    groups = {"train": (names[0],), "validation": (), "test": (names[1],)}
    whole = {"train": (), "validation": (), "test": ()}
    made = Split(by="target", seed=0, fractions=(0.5, 0.0, 0.5), groups=groups, parts=whole)
    held = hold(replace(table, split=made), "by_target", 0.3, 0)
    assert set(table.targets[held.train]) == {names[0]}
    assert set(table.targets[held.test]) == {names[1]}


def test_near_duplicates_differ_in_constants_alone():
    assert near_hash(function("a", 1, 3, "x")) == near_hash(function("b", 9, 3, "y"))
    assert near_hash(function("a", 1, 3, "x")) != near_hash(function("a", 1, 4, "x"))


def test_training_reads_the_split_that_the_command_wrote(tmp_path, capsys):
    folder = write_dataset(tmp_path / "set", count=24)
    (folder / SPLIT_FILE).write_text("{}")
    with pytest.raises(UsageError, match=r"split\.json: no split: .*`costmodel data split`"):
        read_table(folder)
    table = read_table(write_dataset(tmp_path / "other", count=24))
    rows = {name: [i for i, row in enumerate(table.functions) if row.family in families] for name, families in {
        "train": ("family-0", "family-1"), "validation": ("family-2",), "test": ("family-3",)}.items()}  # fmt: skip
    (folder / SPLIT_FILE).write_text(split_of(table, **rows).to_json())
    config = TrainConfig(model="boosted-trees", test_share=0.3, options={"rounds": 5})
    train(folder, config, tmp_path / "model")
    card = (tmp_path / "model" / "model.json").read_text()
    assert '"family-3"' in card
    assert f'"{SPLIT_FILE}"' in card


def test_the_command_puts_the_split_where_training_looks(tmp_path, capsys):
    from costmodel.datasets.store import read_dataset
    from costmodel.datasets.store import write_dataset as write

    families = [function(f"f{i}", 1, i + 1, f"family-{i % 3}") for i in range(9)]
    write(tmp_path / "set", families, [], seed=None, command=["test"])
    assert main(["data", "split", str(tmp_path / "set"), "--by", "family"]) == 0
    made = Split.from_json((tmp_path / "set" / SPLIT_FILE).read_text())
    assert sum(len(ids) for ids in made.parts.values()) == 9
    assert read_dataset(tmp_path / "set").damaged() == {}


def test_evaluation_holds_out_what_the_file_says():
    from costmodel.cli.evaluate_cases import fold_of_seed, own_split, split_groups
    from costmodel.evaluation.cases import Cases
    from costmodel.models.examples import Encoding, Examples
    from costmodel.training.examples import Prepared

    table = replace(TWINS, split=replace(split_of(TWINS, train=[0, 4, 5], test=[1, 6, 7]), refused=2))
    examples = Examples(
        encodings=[Encoding(numbers={})] * 8, program=table.function, context=np.zeros((8, 0)), context_names=(),
        archs=np.array(["x86-64"] * 8),
    )  # fmt: skip
    ready = Prepared(table=table, examples=examples, dropped={})
    columns = {name: np.array([""] * 8) for name in ("network", "level", "target", "pipeline", "workload", "project")}
    likeness = np.unique(alike(table), return_inverse=True)[1]
    cases = Cases(
        examples=examples, values=table.values, metrics=table.metrics, likeness=likeness,
        columns={**columns, "family": table.column("family")},
    )  # fmt: skip
    own = own_split(ready, "by_family")
    fold = fold_of_seed(cases, split_groups(ready, "by_family"), 0.2, 0, own)
    assert own is table.split
    assert own_split(ready, "by_project") is None
    assert fold.held.tolist() == [6, 7], "f1 is a near-duplicate of f0, which is trained on"
    assert fold.refused == 1
