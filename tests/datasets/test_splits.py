"""Splits: whole groups are held out, near-duplicates never cross, and the order of rows means nothing."""

import pytest

from costmodel.core.errors import ParseError, UsageError
from costmodel.core.splits import Split
from costmodel.core.tables import FunctionRow, LabelRow
from costmodel.datasets.dedup import drop_by
from costmodel.datasets.splits import leakage_check, split
from costmodel.ir.structure import near_hash, structural_hash


def llvm(name: str, body: str, **changes: object) -> FunctionRow:
    values: dict[str, object] = {
        "ir": f"define i32 @{name}(i32 %x) {{\n{body}}}\n",
        "format": "llvm",
        "level": "llvm",
        "stage": "source",
        "entry": name,
        "project": "p",
        "family": "f",
        "license": "MIT",
    }
    return FunctionRow(**{**values, **changes})  # type: ignore[arg-type]


def chain(length: int, constant: int = 1) -> str:
    lines = [f"  %v{i} = add i32 {f'%v{i - 1}' if i else '%x'}, {constant}\n" for i in range(length)]
    return f"{''.join(lines)}  ret i32 %v{length - 1}\n"


ROWS = [
    llvm(f"g{group}_{index}", chain(1 + group * 10 + index), family=f"family{group}", project=f"project{group % 5}")
    for group in range(10)
    for index in range(4)
]


@pytest.mark.parametrize("by", ["family", "project"])
def test_groups_stay_whole_and_cover_every_row(by: str) -> None:
    made = split(ROWS, by, seed=1)
    part_of = {identity: part for part, ids in made.parts.items() for identity in ids}
    assert set(part_of) == {row.function_id for row in ROWS}
    for name in {getattr(row, by) for row in ROWS}:
        assert len({part_of[row.function_id] for row in ROWS if getattr(row, by) == name}) == 1
    assert all(made.parts.values())
    assert leakage_check(ROWS, made) == []


def test_same_seed_same_split_whatever_the_order() -> None:
    assert split(ROWS[::-1], "family", seed=3).to_json() == split(ROWS, "family", seed=3).to_json()
    assert split(ROWS, "family", seed=4).groups != split(ROWS, "family", seed=3).groups


def test_fractions_are_met_as_well_as_groups_allow() -> None:
    made = split(ROWS, "family", seed=0, fractions=(0.5, 0.2, 0.3))
    assert [len(made.parts[part]) for part in ("train", "validation", "test")] == [20, 8, 12]


def test_near_duplicates_across_parts_are_refused_and_counted() -> None:
    twins = [llvm(f"t{group}", chain(7, constant=group), family=f"family{group}") for group in range(10)]
    made = split([*ROWS, *twins], "family", seed=1)
    kept = {identity for ids in made.parts.values() for identity in ids}
    assert made.refused > 0
    assert len(kept) + made.refused == len(ROWS) + len(twins)
    assert leakage_check([*ROWS, *twins], made) == []


def test_leaks_are_found() -> None:
    twins = [llvm("a", chain(2), family="a"), llvm("b", chain(2, constant=9), family="b")]
    ids = [row.function_id for row in twins]
    groups = {"train": ("a",), "validation": (), "test": ("b",)}
    parts = {"train": (ids[0],), "validation": (), "test": (ids[1],)}
    made = Split(by="family", seed=0, fractions=(0.5, 0, 0.5), groups=groups, parts=parts)
    assert leakage_check(twins, made)[0].startswith("near-duplicate")


def test_by_target_holds_out_targets() -> None:
    labels = [
        LabelRow(function_id=row.function_id, target=target, pipeline="p", metric="spills", value=0.0, unit="spills",
                 tool="llc", tool_version="22")
        for row in ROWS[:5]
        for target in ("a/b", "c/d", "e/f")
    ]  # fmt: skip
    made = split(ROWS, "target", seed=0, labels=labels)
    assert sorted(name for names in made.groups.values() for name in names) == ["a/b", "c/d", "e/f"]
    assert leakage_check(ROWS, made) == []


def test_what_cannot_be_held_out_is_refused() -> None:
    with pytest.raises(UsageError, match="never by row"):
        split(ROWS, "row", seed=0)
    with pytest.raises(UsageError, match="all functions have one family"):
        split(ROWS[:4], "family", seed=0)
    with pytest.raises(UsageError, match="add up to 1"):
        split(ROWS, "family", seed=0, fractions=(0.5, 0.1, 0.1))


def test_splits_read_back() -> None:
    made = split(ROWS, "family", seed=1)
    assert Split.from_json(made.to_json()) == made
    with pytest.raises(ParseError, match="data split"):
        Split.from_json("[]")


def test_structure_is_blind_to_names_and_sees_constants() -> None:
    one, two = llvm("a", chain(3)), llvm("b", chain(3).replace("%v", "%w"))
    other = llvm("a", chain(3, constant=5))
    assert structural_hash(one) == structural_hash(two) != structural_hash(other)
    assert near_hash(one) == near_hash(other) != near_hash(llvm("a", chain(4)))
    wide = llvm("a", chain(3).replace("i32", "i64"))
    assert near_hash(one) != near_hash(wide)


def test_structure_follows_private_data_and_named_types() -> None:
    text = """%struct.{0} = type {{ i32, double }}
@{1} = private constant [2 x i8] c"{2}\\00"

define ptr @f(ptr %p) {{
  %q = getelementptr %struct.{0}, ptr %p, i64 0, i32 1
  call void @use(ptr @{1})
  ret ptr %q
}}

declare void @use(ptr)
"""
    rows = [llvm("f", "", ir=text.format(*names)) for names in (("S", "x", "a"), ("T", "y", "a"), ("S", "x", "b"))]
    assert structural_hash(rows[0]) == structural_hash(rows[1]) != structural_hash(rows[2])
    assert near_hash(rows[0]) == near_hash(rows[2])
    other = llvm("f", "", ir=text.format("S", "x", "a").replace("@use", "@free"))
    assert near_hash(rows[0]) != near_hash(other)


def test_mlir_structure_erases_literals_and_keeps_shapes() -> None:
    text = "func.func @{0}(%{1}: tensor<4x{2}xf32>) {{\n  %c = arith.constant {3} : index\n  return\n}}\n"
    kinds = {"format": "mlir", "level": "linalg"}
    rows = [
        llvm("m", "", ir=text.format(*values), **kinds)
        for values in (("f", "a", 8, 1), ("g", "b", 8, 1), ("f", "a", 8, 2), ("f", "a", 16, 1))
    ]
    assert structural_hash(rows[0]) == structural_hash(rows[1]) != structural_hash(rows[2])
    assert near_hash(rows[0]) == near_hash(rows[2]) != near_hash(rows[3])


def test_duplicates_are_summed_on_the_one_that_stays() -> None:
    rows = [llvm("a", chain(3)), llvm("b", chain(3), duplicates=2), llvm("c", chain(4))]
    kept = drop_by(rows, structural_hash)
    assert sorted(row.duplicates for row in kept) == [0, 3]
    assert drop_by(rows[::-1], structural_hash) == kept
