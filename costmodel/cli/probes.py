"""Small real jobs that show whether a reader, a backend or a target works here.

Each runs in an isolated worker, because a broken or mismatched build may abort its process. They take nothing that a
person wrote and return a line, or a table of lines, for `costmodel doctor`.
"""

from __future__ import annotations

import ctypes

TRIPLES = {
    "x86-64": "x86_64-unknown-linux-gnu",
    "aarch64": "aarch64-unknown-linux-gnu",
    "riscv64": "riscv64-unknown-linux-gnu",
    "nvptx64": "nvptx64-nvidia-cuda",
    "amdgcn": "amdgcn-amd-amdhsa",
}
"""Architecture names as targets use them, with the triple that stands for each."""

LABELLED = {
    "x86-64": "x86-64/znver4",
    "aarch64": "aarch64/neoverse-v2",
    "riscv64": "riscv64/sifive-p670",
    "nvptx64": "nvptx64/sm_90",
    "amdgcn": "amdgcn/gfx942",
}
"""A target of each architecture, to ask labellers about."""

_KERNEL = """
llvm.func @_mlir_ciface_twice(%x: i64) -> i64 {
  %y = llvm.add %x, %x : i64
  llvm.return %y : i64
}
"""


def mlir_reader() -> str:
    """Parse and verify a function of a dialect that every MLIR has."""
    from mlir import ir

    with ir.Context():
        ir.Module.parse("func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> { return %x : tensor<4xf32> }")
    return "parses MLIR of the upstream dialects"


def mlir_backend() -> str:
    """Compile a function with the execution engine and call it."""
    from mlir import ir
    from mlir.execution_engine import ExecutionEngine

    with ir.Context():
        engine = ExecutionEngine(ir.Module.parse(_KERNEL))
        argument, result = (ctypes.c_int64 * 1)(21), (ctypes.c_int64 * 1)(0)
        engine.invoke("twice", argument, result)
    if result[0] != 42:
        raise RuntimeError(f"compiled code computed {result[0]} where 42 is right")
    return "compiles and runs machine code in process"


def llvm_reader() -> str:
    """Parse and verify LLVM IR text."""
    import llvmlite.binding as llvm

    llvm.parse_assembly("define i32 @f(i32 %x) { ret i32 %x }").verify()
    return f"parses text and bitcode of LLVM {'.'.join(map(str, llvm.llvm_version_info))} and older"


def onnx_reader() -> str:
    """Read a model of one node, and import what turns models into linalg for the tuner."""
    import onnx
    import torch_mlir.extras.onnx_importer
    from onnx import helper

    from costmodel import ir

    sides = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [4]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "probe", sides[:1], sides[1:])
    function = ir.read(helper.make_model(graph).SerializeToString(), format="onnx").functions[0]
    if function.tokens("ops")[1] != "onnx.Relu":
        raise RuntimeError("the reader of ONNX misreads a model of one node")
    return f"onnx {onnx.__version__}, opset up to {onnx.defs.onnx_opset_version()}, {torch_mlir.__name__}"


_SCRIPT = """
@T.prim_func
def f(A: T.Buffer((4,), "float32")):
    for i in T.serial(4):
        A[i] = A[i] + T.float32(1)
"""


def tir_reader() -> str:
    """Read a script of one loop."""
    from costmodel import ir

    if "arith.addf" not in ir.read(_SCRIPT, format="tir").functions[0].tokens("ops"):
        raise RuntimeError("the reader of TIR misreads a script of one loop")
    return "reads TVM script, and JSON of TVM 0.27, without TVM"


def llvm_targets() -> dict[str, str]:
    """Emit code for each architecture; the value is the error's text where that fails, else empty."""
    import llvmlite.binding as llvm

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    answers = {}
    for name, triple in TRIPLES.items():
        try:
            machine = llvm.Target.from_triple(triple).create_target_machine()
            machine.emit_assembly(llvm.parse_assembly(f'target triple = "{triple}"\ndefine void @f() {{ ret void }}'))
            answers[name] = ""
        except RuntimeError as error:
            answers[name] = " ".join(str(error).split())
    return answers


def host_cpu() -> str:
    """LLVM's name for this machine's CPU, for example `"znver4"`."""
    import llvmlite.binding as llvm

    return str(llvm.get_host_cpu_name())


def labellers() -> list[tuple[str, str | None, str, str]]:
    """Name with architecture, version (None: not usable), metrics, and what it needs, of every labeller."""
    from costmodel.core.target import Target
    from costmodel.datasets.labellers import LABELLERS

    found = []
    for name in LABELLERS:
        labeller = LABELLERS.get(name)()
        for arch, metrics in labeller.gives.items():
            target = Target.parse("native" if labeller.measures else LABELLED[arch])
            version = labeller.version(target) if target.arch == arch else None
            found.append((f"{name} {arch}", version, ", ".join(metrics), labeller.needs))
    return found
