"""Data that others measured, in their own formats: failures are never fast, times are seconds, traps are avoided."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from costmodel.core.errors import ParseError, UnknownNameError
from costmodel.datasets.loaders import LOADERS
from costmodel.datasets.loaders.t1 import load_t1


def kernel_tuner(tmp_path: Path, **changes: Any) -> Path:
    cache = {
        "16,1": {"bx": 16, "by": 1, "time": 3.0, "times": [6.0, 1.0, 2.0]},
        "32,1": {"bx": 32, "by": 1, "time": "CompilationFailedConfig"},
        "64,1": {"bx": 64, "by": 1, "time": "RuntimeFailedConfig"},
        "64,2": {"bx": 64, "by": 2, "time": 2.5},
    }
    document = {"device_name": "GPU 1", "kernel_name": "conv", "tune_params_keys": ["bx", "by"], "cache": cache}
    path = tmp_path / "MI250X.json.gz"
    path.write_bytes(gzip.compress(json.dumps({**document, **changes}).encode()))
    return path


def test_kernel_tuner_takes_the_median_and_tells_failures(tmp_path: Path) -> None:
    (space,) = LOADERS.get("kernel-tuner")(kernel_tuner(tmp_path)).spaces
    assert space.status == ("ok", "compile_error", "run_error", "ok")
    assert space.samples_s[0] == (0.006, 0.001, 0.002)
    np.testing.assert_allclose(space.runtime_s, [0.002, np.nan, np.nan, 0.0025])
    assert space.best == 0
    assert (space.name, space.device, space.parameters) == ("conv", "GPU 1", ("bx", "by"))
    assert space.caveats == ("outputs were not checked",)


def test_kernel_tuner_without_a_device_takes_the_files_name(tmp_path: Path) -> None:
    (space,) = LOADERS.get("kernel-tuner")(kernel_tuner(tmp_path, device_name="")).spaces
    assert space.device == "MI250X"


def test_t4_reads_invalidity_not_the_number_beside_it(tmp_path: Path) -> None:
    def result(invalidity: str, value: object, runtimes: list[float] | None) -> dict[str, object]:
        times = {"compilation": 1.0, **({"runtimes": runtimes} if runtimes else {})}
        measured = [{"name": "time", "value": value, "unit": ""}]
        return {"configuration": {"x": 1}, "times": times, "invalidity": invalidity, "measurements": measured}

    results = [result("correct", 5.0, [9.0, 1.0, 2.0]), result("compile", "CompilationFailedConfig", None)]
    results.append(result("correctness", 0.001, [0.001]))
    path = tmp_path / "A100_T4.json"
    path.write_text(json.dumps({"metadata": {"timeunit": "miliseconds"}, "results": results}))
    (space,) = LOADERS.get("t4")(path).spaces
    assert space.status == ("ok", "compile_error", "wrong")
    np.testing.assert_allclose(space.runtime_s, [0.002, np.nan, np.nan])
    assert space.device == "A100"


def ktt_output(status: str, duration: float | None) -> dict[str, object]:
    data = {"RegistersCount": 40, "LocalMemorySize": 2048, "PrivateMemorySize": 8}
    computed = [{"CompilationData": data, "Duration": duration, "KernelFunction": "k"}] if duration else []
    return {
        "Status": status,
        "TotalDuration": duration or 0.0,
        "Configuration": [{"Name": "TILE", "Value": 4}],
        "ComputationResults": computed,
    }


def test_ktt_failures_with_a_total_of_zero_are_not_fast(tmp_path: Path) -> None:
    results = [ktt_output("ComputationFailed", None), ktt_output("Ok", 500.0), ktt_output("ValidationFailed", 1.0)]
    metadata = {"TimeUnit": "Microseconds", "Device": "RTX"}
    path = tmp_path / "out.json"
    path.write_text(json.dumps({"Metadata": metadata, "Results": results}))
    (space,) = LOADERS.get("ktt")(path).spaces
    assert space.status == ("run_error", "ok", "wrong")
    assert space.best == 1
    assert space.runtime_s[1] == pytest.approx(5e-4)
    assert space.metrics["registers_vector"][1] == 40
    assert np.isnan(space.metrics["shared_bytes"][0])


def test_neusight_gives_a_space_for_each_operator_and_device(tmp_path: Path) -> None:
    path = tmp_path / "elementwise.csv"
    path.write_text("OPName,B,H,Latency,Device\nadd,8,16,0.5,T4\nadd,8,32,,T4\nmul,8,16,0.25,P4\n")
    spaces = LOADERS.get("neusight")(path).spaces
    assert [(space.name, space.device, len(space)) for space in spaces] == [("add", "T4", 2), ("mul", "P4", 1)]
    assert spaces[0].configurations == ((8, 16), (8, 32))
    assert spaces[0].status == ("ok", "not_measured")
    assert spaces[0].runtime_s[0] == pytest.approx(5e-4)


def test_deepbench_reads_times_only(tmp_path: Path) -> None:
    path = tmp_path / "deepbench.csv"
    path.write_text("device,op,m,n,filter_w,time_ms,tflops\nV100,gemm,64,32,,0.1,999\nV100,conv,,,3,0.2,1\n")
    spaces = {space.name: space for space in LOADERS.get("deepbench")(path).spaces}
    assert spaces["gemm"].parameters == ("m", "n")
    assert spaces["conv"].parameters == ("filter_w",)
    assert spaces["gemm"].runtime_s[0] == pytest.approx(1e-4)


def test_bhive_skips_empty_blocks_and_divides_throughputs(tmp_path: Path) -> None:
    loader = LOADERS.get("bhive")
    plain = tmp_path / "skl.csv"
    plain.write_text("4883c001,150.0\n90,100\n")
    assert [block.throughput_cycles for block in loader(plain).blocks] == [1.5, 1.0]
    named = tmp_path / "blocks.csv"
    named.write_text("app,hex,frequency\nsqlite,4883c001,0.5\nsqlite,,0.5\n")
    loaded = loader(named)
    assert (loaded.blocks[0].code, loaded.blocks[0].application) == (bytes.fromhex("4883c001"), "sqlite")
    assert loaded.skipped == {"no code": 1}
    named.write_text("app,hex,frequency\nsqlite,xyz,0.5\n")
    with pytest.raises(ParseError, match="no block of machine code"):
        loader(named)


def test_tenset_failures_marked_by_a_huge_time_or_an_error_number(tmp_path: Path) -> None:
    def line(costs: list[float], error: int) -> str:
        return json.dumps(
            {"i": [['["key", 4]', "llvm"], [[], [["SP", 2]]]], "r": [costs, error, 1.0, 2.0], "v": "v0.6"}
        )

    path = tmp_path / "records.json"
    path.write_text("\n".join([line([0.3, 0.1, 0.2], 0), line([1e10], 0), line([1e10], 2)]))
    (space,) = LOADERS.get("tenset")(path).spaces
    assert space.status == ("ok", "run_error", "compile_error")
    assert space.best == 0
    assert space.runtime_s[0] == 0.2
    path.write_text("{}\n")
    with pytest.raises(ParseError, match=r"records\.json:1:1"):
        LOADERS.get("tenset")(path)


def test_compile_rows_become_functions_and_foreign_bitcode_costs_itself(tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    import llvmlite.binding as llvm
    import pyarrow as pa

    good = llvm.parse_assembly("define i32 @f(i32 %x) {\n  ret i32 %x\n}\n").as_bitcode()
    path = tmp_path / "part.parquet"
    row = {"license_expression": "MIT", "license_files": ["LICENSE"], "package_source": "zlib", "language": "c"}
    pq.write_table(pa.Table.from_pylist([{"content": good, **row}, {"content": b"BC\xc0\xdebroken!!", **row}]), path)
    loaded = LOADERS.get("compile")(path)
    assert [(one.entry, one.license, one.project) for one in loaded.functions] == [("f", "MIT", "zlib")]
    assert sum(loaded.skipped.values()) == 1


def t1(tmp_path: Path, condition: str) -> Path:
    parameters = [{"Name": "x", "Values": "[1, 2, 4]"}, {"Name": "y", "Values": "[1, 2]"}]
    space = {"TuningParameters": parameters, "Conditions": [{"Expression": condition}]}
    path = tmp_path / "t1.json"
    path.write_text(json.dumps({"ConfigurationSpace": space}))
    return path


def test_t1_evaluates_conditions(tmp_path: Path) -> None:
    space = load_t1(t1(tmp_path, "1 < x * y <= 4 or x != 2 and y == 5"))
    assert space.cartesian_size == 6
    assert list(space.allowed()) == [(1, 2), (2, 1), (2, 2), (4, 1)]


@pytest.mark.parametrize("condition", ["__import__('os').system('true')", "x.__class__", "[y for y in x]", "x +"])
def test_t1_runs_no_code(tmp_path: Path, condition: str) -> None:
    with pytest.raises(ParseError):
        load_t1(t1(tmp_path, condition))


@pytest.mark.parametrize("name", ["kernel-tuner", "t4", "ktt", "neusight", "deepbench", "tenset"])
def test_files_of_another_format_are_refused_by_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / "other.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ParseError, match=r"other\.csv"):
        LOADERS.get(name)(path)


def test_unknown_loaders_list_the_known() -> None:
    with pytest.raises(UnknownNameError, match="kernel-tuner"):
        LOADERS.get("kerneltuner")
