"""LLVM IR of one machine made out for another: `O3-retarget-v1` and `codegen-v1`.

Owns what is taken off a module and what is put on. Invariants: nothing of the source target stays (attributes, triple,
layout, `optnone`); every definition stays, whatever its linkage was, so that a function's code does not depend on which
others were asked for; on a GPU a definition becomes a kernel entry with global pointers, a result goes through one more
pointer. Runs inside workers: LLVM may abort on what it is given.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from costmodel.core.errors import ParseError, ToolchainError, UnsupportedError
from costmodel.core.target import Target
from costmodel.ir.llvm.modules import llvm_module

PIPELINE = "O3-retarget-v1"
"""Strip and set as above, `print_module` upgrades, then LLVM's `default<O3>` for the new target."""

CODEGEN = "codegen-v1"
"""The same without `default<O3>`: the IR is what code generation gets (only kernels' bodies are inlined on a GPU)."""

PTX_FEATURES = {"sm_100": "+ptx86", "sm_120": "+ptx87"}
"""The oldest PTX version that knows the processor, where the default one does not."""
PTX_DEFAULT = "+ptx83"

_ATTRIBUTES = re.compile(
    r' ?(?<!!)"(?:target-cpu|target-features|tune-cpu|min-legal-vector-width|prefer-vector-width|target-abi|'
    r'probe-stack|stack-probe-size|frame-pointer|no-frame-pointer-elim(?:-non-leaf)?|use-soft-float|amdgpu-[\w-]+|uniform-work-group-size)"(?:="[^"]*")?'
)
_TARGET_LINES = re.compile(r"^target (?:triple|datalayout) = .*\n", re.MULTILINE)
_OPTNONE_GROUP = re.compile(r"^attributes #\d+ = \{[^\n]*\boptnone\b[^\n]*$", re.MULTILINE)
_EMPTY_GROUP = re.compile(r"^(attributes #\d+ = \{) *\}", re.MULTILINE)
_PROCESSOR_CALLS = re.compile(
    r"@llvm\.(x86|aarch64|arm|riscv|nvvm|amdgcn|ppc|s390|hexagon|wasm|loongarch|mips)\.[\w.]+"
)
_DEBUG_RECORDS = re.compile(r"^\s+#dbg_[^\n]*\n|^!llvm\.dbg\.cu = [^\n]*\n", re.MULTILINE)
_DEBUG = re.compile(r",? !dbg !\d+")
_HOST_ONLY = re.compile(r"^@llvm\.(?:global_ctors|global_dtors|used|compiler\.used) = [^\n]*\n", re.MULTILINE)
_DECLARATIONS = re.compile(r"^declare [^\n]*\n", re.MULTILINE)
_CONVENTION = re.compile(r"\b(?:ptx_kernel|amdgpu_kernel|spir_kernel|ptx_device|spir_func|amdgpu_gfx)\b ?")
_MODULE_FLAGS = re.compile(
    r'^!\d+ = !\{i32 \d+, !"(?:target-abi|Code Model|riscv-isa|amdhsa_[\w]+|cf-protection-[\w]+|frame-pointer)".*\n',
    re.M,
)
_ASM = re.compile(r'\basm (?:sideeffect |alignstack |inteldialect |unwind )*"((?:[^"])*)"')
_ALLOCA = re.compile(r"^(\s+)(%(?:\"[^\"]*\"|[\w$.-]+)) = alloca (.*)$", re.MULTILINE)
_LIFETIME = re.compile(r"^\s+call void @llvm\.lifetime\.[^\n]*\n", re.MULTILINE)
_SOURCE_TRIPLE = re.compile(r'^target triple = "([^"-]*)', re.MULTILINE)

_ARCH_OF_INTRINSIC = {"x86": "x86-64", "aarch64": "aarch64", "riscv": "riscv64", "nvvm": "nvptx64", "amdgcn": "amdgcn"}
_KERNEL_CONVENTION = {"nvptx64": "ptx_kernel", "amdgcn": "amdgpu_kernel"}


@cache
def binding() -> Any:
    """Llvmlite's binding with all targets initialised."""
    import llvmlite.binding as llvm

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    llvm.initialize_native_asmparser()
    return llvm


@cache
def target_machine(target_name: str, level: int = 3) -> Any:
    """LLVM's machine for a target, position-independent, with verbose assembly."""
    target = Target.parse(target_name)
    features = target.llvm_features()
    if target.arch == "nvptx64":
        features = PTX_FEATURES.get(target.cpu, PTX_DEFAULT)
    machine = (
        binding()
        .Target.from_triple(target.triple)
        .create_target_machine(cpu=target.llvm_cpu, features=features, opt=level, reloc="pic", codemodel="default")
    )
    machine.set_asm_verbosity(True)
    return machine


def print_module(data: str | bytes, name: str = "the module") -> str:
    """Text of a module given as text or bitcode, as LLVM prints it; raises `ParseError` where it cannot be read."""
    try:
        module = llvm_module(data)
        module.verify()
    except RuntimeError as error:
        kind = "text" if isinstance(data, str) else "bitcode"
        raise ParseError(f"LLVM {_version()} cannot read {name} ({kind}): {_one_line(error)}") from error
    return str(module)


def definitions(text: str) -> list[str]:
    """Names of the functions that a module as text defines, in order."""
    return [function.name for function in llvm_module(text).functions if not function.is_declaration]


def retarget(text: str, target: Target, only: frozenset[str] | None = None) -> Any:
    """LLVM's module for `text` made out for `target`, not yet optimised; with `only`, the rest goes where it can.

    Raises:
        ParseError: `text` is no LLVM IR.
        UnsupportedError: it uses what only its own processor has.
        ToolchainError: the module that was made is not valid.
    """
    printed = print_module(text) if only is None else keep_only(print_module(text), only)
    _refuse_foreign(printed, target)
    stripped = _strip(printed)
    if target.is_gpu:
        stripped = as_kernels(stripped, target.arch)
    llvm = binding()
    machine = target_machine(target.name)
    header = f'target datalayout = "{machine.target_data}"\ntarget triple = "{target.triple}"\n'
    try:
        module = llvm_module(header + stripped)
        for function in module.functions:
            if not function.is_declaration and not function.name.endswith(BODY_SUFFIX):
                function.linkage = llvm.Linkage.external
        module.verify()
    except RuntimeError as error:
        raise ToolchainError(f"the module re-targeted to {target.name} is not valid: {_one_line(error)}") from error
    return module


def keep_only(text: str, names: frozenset[str]) -> str:
    """The module without the functions that those of `names` do not need."""
    llvm = binding()
    module = llvm_module(text)
    for function in module.functions:
        if not function.is_declaration:
            function.linkage = llvm.Linkage.external if function.name in names else llvm.Linkage.internal
    manager = llvm.create_new_module_pass_manager()
    manager.add_global_dead_code_eliminate_pass()
    manager.run(
        module, llvm.create_pass_builder(target_machine("x86-64/x86-64-v2"), llvm.create_pipeline_tuning_options())
    )
    return str(module)


def optimise(module: Any, target: Target) -> None:
    """LLVM's `default<O3>` for `target`, in place, with vectorizers and unrolling."""
    llvm = binding()
    tuning = llvm.create_pipeline_tuning_options(speed_level=3)
    tuning.loop_vectorization = tuning.slp_vectorization = True
    tuning.loop_interleaving = tuning.loop_unrolling = True
    builder = llvm.create_pass_builder(target_machine(target.name), tuning)
    builder.getModulePassManager().run(module, builder)


def inline_bodies(module: Any, target: Target) -> None:
    """Put the bodies that `as_kernels` moved away into their kernels, in place; nothing else is optimised."""
    llvm = binding()
    manager = llvm.create_new_module_pass_manager()
    manager.add_always_inliner_pass()
    manager.add_global_dead_code_eliminate_pass()
    manager.run(module, llvm.create_pass_builder(target_machine(target.name), llvm.create_pipeline_tuning_options()))


BODY_SUFFIX = "__device_body"


def symbol_of(name: str, arch: str) -> str:
    """What a function is called in code for `arch`: PTX knows no dots."""
    return re.sub(r"[^\w$]", "_", name) if arch == "nvptx64" else name


def as_kernels(text: str, arch: str) -> str:
    """Give every definition a kernel entry of its name; the code itself moves to an internal function it inlines."""
    llvm = binding()
    module = llvm_module(_HOST_ONLY.sub("", text))
    convention = _KERNEL_CONVENTION[arch]
    wrappers = []
    for variable in module.global_variables:
        if not variable.name.startswith("llvm."):
            variable.name = symbol_of(variable.name, arch)
    for function in [function for function in module.functions if not function.is_declaration]:
        function.name = symbol_of(function.name, arch)
        wrappers.append(_wrapper(function, convention))
        function.name = function.name + BODY_SUFFIX
        function.linkage = llvm.Linkage.internal
    printed = re.sub(r"\b(?:byval|sret|inalloca)\([^()]*(?:\([^()]*\))?[^()]*\) ?", "", str(module))
    if arch == "amdgcn":
        printed = _ALLOCA.sub(_private_alloca, _LIFETIME.sub("", printed))
    return printed + "\n".join(wrappers) + "\nattributes #1000000 = { alwaysinline }\n"


def _wrapper(function: Any, convention: str) -> str:
    kind = str(function.global_value_type)
    arguments = [str(argument.type) for argument in function.arguments]
    suffix = f" ({', '.join(arguments)})"
    if not kind.endswith(suffix):
        raise UnsupportedError(f"unsupported: {function.name} takes a variable number of arguments; no kernel can")
    result = kind.removesuffix(suffix)
    name, body = _quoted(function.name), _quoted(function.name + BODY_SUFFIX)
    parameters, casts, passed = [], [], []
    for index, (argument, type_text) in enumerate(zip(function.arguments, arguments, strict=True)):
        is_pointer = type_text == "ptr"
        noalias = " noalias" if is_pointer and any(b"noalias" in attribute for attribute in argument.attributes) else ""
        parameters.append(f"{'ptr addrspace(1)' if is_pointer else type_text}{noalias} %g{index}")
        if is_pointer:
            casts.append(f"  %p{index} = addrspacecast ptr addrspace(1) %g{index} to ptr")
        passed.append(f"{type_text} {'%p' if is_pointer else '%g'}{index}")
    call = f"call {result} @{body}({', '.join(passed)}) #1000000"
    if result != "void":
        parameters.append("ptr addrspace(1) %result")
        call = f"%r = {call}\n  store {result} %r, ptr addrspace(1) %result"
    lines = [f"define {convention} void @{name}({', '.join(parameters)}) {{", *casts, f"  {call}", "  ret void", "}"]
    return "\n".join(lines)


def _private_alloca(match: re.Match[str]) -> str:
    space, name, rest = match.groups()
    fresh = f'%"{name[1:].strip(chr(34))}.private"'
    body, _, metadata = rest.partition(", !")
    tail = f", !{metadata}" if metadata else ""
    return (
        f"{space}{fresh} = alloca {body}, addrspace(5){tail}\n"
        f"{space}{name} = addrspacecast ptr addrspace(5) {fresh} to ptr"
    )


def _strip(text: str) -> str:
    """Everything of the source target taken off, and debug information."""
    text = _DEBUG.sub("", _DEBUG_RECORDS.sub("", text))
    text = _TARGET_LINES.sub("", text)
    text = _OPTNONE_GROUP.sub(lambda m: re.sub(r"\b(?:optnone|noinline) ?", "", m[0]), text)
    text = _MODULE_FLAGS.sub(lambda m: m[0].split(" = ")[0] + ' = !{i32 1, !"costmodel", i32 1}\n', text)
    text = _CONVENTION.sub("", _ATTRIBUTES.sub("", text))
    return _EMPTY_GROUP.sub(r'\1 "costmodel-stripped" }', text)


def _refuse_foreign(text: str, target: Target) -> None:
    foreign = sorted(
        {
            match[0]
            for match in _PROCESSOR_CALLS.finditer(_DECLARATIONS.sub("", text))
            if _ARCH_OF_INTRINSIC.get(match[1], match[1]) != target.arch
        }
    )
    if foreign:
        raise UnsupportedError(f"unsupported: {foreign[0]} exists on {foreign[0].split('.')[1]} only")
    source = _SOURCE_TRIPLE.search(text)
    if source is not None and target.triple.startswith(source[1]):
        return
    if "\nmodule asm " in text or any(asm[1].strip() for asm in _ASM.finditer(text)):
        raise UnsupportedError(f"unsupported: inline assembly of another processor than {target.arch}")
    if "x86_fp80" in text and target.arch != "x86-64":
        raise UnsupportedError(f"unsupported: the type x86_fp80 does not exist on {target.arch}")


def _quoted(name: str) -> str:
    return (
        name
        if re.fullmatch(r"[A-Za-z$._-][\w$.-]*", name)
        else '"'
        + "".join(c if c.isalnum() or c in " $._-" else "".join(f"\\{b:02X}" for b in c.encode()) for c in name)
        + '"'
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _version() -> str:
    return ".".join(map(str, binding().llvm_version_info))
