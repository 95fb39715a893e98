"""Layout, comments, attribute order and debug locations of LLVM IR."""

from __future__ import annotations

import re

import numpy as np

from costmodel.ir.rewrites.llvm_text import TextFunction, TextModule, parse

_GROUP = re.compile(r"^(attributes #\d+ = \{ )(.*)( \})$", re.MULTILINE)
_ATTRIBUTE = re.compile(r'"[^"]*"(?:="[^"]*")?|[\w]+(?:=\d+|\((?:[^()]|\([^()]*\))*\))?(?:\s(?=\())?')
_METADATA = re.compile(r"^!(\d+) = ", re.MULTILINE)
_FLAGS = re.compile(r"^!llvm\.module\.flags = !\{(.*)\}$", re.MULTILINE)
_COMMENTS = ("; a comment", "; %x = add i32 0, 0", '; "quoted', "; preds = nothing")


def reformat(text: str, rng: np.random.Generator) -> str | None:
    """Other indentation, blank lines, comments, and another order in attribute groups."""
    module = parse(text)
    if not module.functions:
        return None
    parts = [module.between[0]]
    for function, after in zip(module.functions, module.between[1:], strict=True):
        parts += [_spaced(function, rng), after]
    return _GROUP.sub(lambda match: f"{match[1]}{_shuffled(match[2], rng)}{match[3]}", "".join(parts))


def _spaced(function: TextFunction, rng: np.random.Generator) -> str:
    lines = [function.head]
    for block in function.blocks:
        lines.append(f"{block.name[1:]}:{_comment(rng)}")
        for item in block.instructions:
            if rng.random() < 0.1:
                lines.append("")
            tail = "" if "\n" in item.text else _comment(rng)
            lines.append(" " * int(rng.integers(1, 4)) + item.text + tail)
    return "\n".join([*lines, "}"])


def _comment(rng: np.random.Generator) -> str:
    return f"  {_COMMENTS[int(rng.integers(len(_COMMENTS)))]}" if rng.random() < 0.25 else ""


def _shuffled(attributes: str, rng: np.random.Generator) -> str:
    items = [match[0].strip() for match in _ATTRIBUTE.finditer(attributes)]
    if " ".join(items) != attributes.strip():
        return attributes
    return " ".join(items[index] for index in rng.permutation(len(items)))


def add_locations(text: str, rng: np.random.Generator) -> str | None:
    """A compile unit, a subprogram for each function and a location for each instruction; None if there are any."""
    if "!llvm.dbg.cu" in text or "!dbg " in text:
        return None
    module = parse(text)
    if not module.functions:
        return None
    number = max((int(match[1]) for match in _METADATA.finditer(text)), default=-1) + 1
    unit = number
    nodes = [
        f'!{unit} = distinct !DICompileUnit(language: DW_LANG_C, file: !{unit + 1}, producer: "rewrite", '
        "isOptimized: true, runtimeVersion: 0, emissionKind: FullDebug)",
        f'!{unit + 1} = !DIFile(filename: "rewritten.c", directory: "/")',
        f"!{unit + 2} = !DISubroutineType(types: !{unit + 3})",
        f"!{unit + 3} = !{{null}}",
        f'!{unit + 4} = !{{i32 2, !"Debug Info Version", i32 3}}',
    ]
    _locate(module, unit, nodes, rng)
    rendered = _with_flag(module.render(), f"!{unit + 4}")
    return f"{rendered.rstrip()}\n\n!llvm.dbg.cu = !{{!{unit}}}\n" + "\n".join(nodes) + "\n"


def _locate(module: TextModule, unit: int, nodes: list[str], rng: np.random.Generator) -> None:
    number = unit + len(nodes)
    for index, function in enumerate(module.functions):
        scope = number
        nodes.append(
            f'!{scope} = distinct !DISubprogram(name: "f{index}", scope: !{unit + 1}, file: !{unit + 1}, line: 1, '
            f"type: !{unit + 2}, spFlags: DISPFlagDefinition | DISPFlagOptimized, unit: !{unit})"
        )
        number += 1
        before, _, _ = function.head.rpartition("{")
        function.head = f"{before.rstrip()} !dbg !{scope} {{"
        for block in function.blocks:
            for item in block.instructions:
                line, column = (int(value) for value in rng.integers(1, 200, 2))
                nodes.append(f"!{number} = !DILocation(line: {line}, column: {column}, scope: !{scope})")
                item.text += f", !dbg !{number}"
                number += 1


def _with_flag(text: str, flag: str) -> str:
    if "Debug Info Version" in text:
        return text
    found = _FLAGS.search(text)
    if found is None:
        return f"{text.rstrip()}\n\n!llvm.module.flags = !{{{flag}}}\n"
    return f"{text[: found.start()]}!llvm.module.flags = !{{{found[1]}, {flag}}}{text[found.end() :]}"
