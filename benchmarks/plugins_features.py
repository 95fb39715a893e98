"""Features that the plug-ins compute against Python's, function by function: how many differ.

LLVM: every module of the folders (`.bc`, `.ll`) as it is and after `opt -O2`. MLIR: the same modules imported into the
LLVM dialect by mlir-translate, and the folders' `.mlir` files whose functions are in that dialect. A feature differs
where it is off by more than 1e-4 of Python's, a count where it is off at all. Needs opt-22, mlir-opt-22,
mlir-translate-22, built plug-ins.

    python benchmarks/plugins_features.py FOLDER... [--functions 1500] [--plugins build/plugins]
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from _common import ROOT, Json, header, write

from costmodel import ir
from costmodel.core.errors import CostModelError
from costmodel.ir.features import FUNCTION_FEATURES_V1

TOLERANCE = 1e-4
COUNTS = ("n_", "ops", "loops")
MOST_BYTES = 400_000
SEED = 0


def printed(*command: str | Path) -> str | None:
    """What a tool prints; none where it fails."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else None


def natives(text: str) -> dict[str, Mapping[str, float]]:
    rows = [json.loads(line) for line in text.splitlines() if line.startswith('{"name"')]
    return {row["name"]: row["features"] for row in rows}


def is_equal(name: str, ours: float, theirs: float) -> bool:
    return math.isclose(ours, theirs, rel_tol=TOLERANCE) and (not name.startswith(COUNTS) or ours == theirs)


class Comparison:
    """Counts functions and what differs."""

    def __init__(self) -> None:
        self.functions, self.modules, self.missing = 0, 0, 0
        self.mismatches: list[str] = []

    def add(self, path: Path, origin: str, text: str | None) -> None:
        """Compare a module, read by Python from `path`, with what a plug-in printed of it."""
        if text is None:
            return
        try:
            functions = {function.name: function for function in ir.read(path).functions}
        except CostModelError:
            return
        self.modules += 1
        for name, features in natives(text).items():
            if name not in functions or functions[name].operation is None:
                self.missing += 1
                continue
            expected = functions[name].features()
            self.functions += 1
            self.mismatches += [
                f"{origin} {name} {key}: {expected[key]} in Python, {features[key]}"
                for key in FUNCTION_FEATURES_V1 if not is_equal(key, expected[key], features[key])
            ]  # fmt: skip

    def result(self) -> Json:
        """For the file."""
        return {"functions": self.functions, "modules": self.modules, "not_found_by_python": self.missing,
                "mismatches": len(self.mismatches), "first_mismatches": self.mismatches[:10]}  # fmt: skip


def modules(folders: list[Path], suffixes: tuple[str, ...]) -> Iterator[Path]:
    """In an order drawn over all folders."""
    found = sorted(
        p for folder in folders for p in folder.rglob("*") if p.suffix in suffixes and p.stat().st_size <= MOST_BYTES
    )
    for i in np.random.default_rng(SEED).permutation(len(found)):
        yield found[i]


def run_llvm(folders: list[Path], plugin: Path, folder: Path, most: int) -> Comparison:
    """Over LLVM modules."""
    found = Comparison()
    load = f"-load-pass-plugin={plugin}"
    for source in modules(folders, (".bc", ".ll")):
        for level in ("verify", "default<O2>"):
            path = folder / "module.ll"
            if printed("opt-22", f"-passes={level}", "-S", source, "-o", path) is None:
                continue
            found.add(
                path,
                f"{source.name} {level}",
                printed("opt-22", load, "-passes=costmodel-features", "-disable-output", path),
            )
        if found.functions >= most:
            break
    return found


def run_mlir(folders: list[Path], plugin: Path, folder: Path, most: int) -> Comparison:
    """Over modules of the LLVM dialect."""
    found = Comparison()
    load, generic = f"--load-pass-plugin={plugin}", folder / "generic.mlir"

    def add(path: Path, origin: str) -> None:
        text = printed("mlir-opt-22", load, "--costmodel-features", "--mlir-print-op-generic", path, "-o", generic)
        if text and '{"name"' in text:
            found.add(generic, origin, text)

    for path in modules(folders, (".mlir",)):
        add(path, path.name)
        if found.functions >= most:
            return found
    for source in modules(folders, (".bc", ".ll")):
        for level in ("verify", "default<O2>"):
            text, imported = folder / "module.ll", folder / "imported.mlir"
            if (
                printed("opt-22", f"-passes={level}", "-S", source, "-o", text) is not None
                and printed("mlir-translate-22", "--import-llvm", text, "-o", imported) is not None
            ):
                add(imported, f"{source.name} {level}")
        if found.functions >= most:
            break
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--functions", type=int, default=1500)
    parser.add_argument("--plugins", type=Path, default=ROOT / "build" / "plugins")
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "results" / "plugins_features.json")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        llvm = run_llvm(args.folders, args.plugins / "libcostmodel_llvm.so", folder, args.functions)
        mlir = run_mlir(args.folders, args.plugins / "libcostmodel_mlir.so", folder, args.functions)
    document = {**header("plugins_features", [SEED]), "features": len(FUNCTION_FEATURES_V1), "tolerance": TOLERANCE,
                "llvm": llvm.result(), "mlir": mlir.result()}  # fmt: skip
    write(args.output, document)
    for name, one in (("LLVM", llvm), ("MLIR", mlir)):
        print(
            f"{name}: {one.functions} functions of {one.modules} modules, {len(one.mismatches)} mismatches",
            one.mismatches[:5],
        )


if __name__ == "__main__":
    main()
