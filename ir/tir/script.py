"""TVM script to operations, from Python's syntax tree. Nothing is executed.

Owns the statements of the language; expressions are in `expressions`. Invariant: a construct that is not known becomes
an operation named after it, or a diagnostic with its position: it never stops the reading.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from costmodel.core.errors import Location, ParseError
from costmodel.ir.mlir.structure import MlirModule, Source, Value
from costmodel.ir.program import Diagnostic
from costmodel.ir.tir.builder import Builder, memref_type, mlir_type
from costmodel.ir.tir.expressions import Expressions, called, literal, texts

_LOOPS = {
    "serial": "serial",
    "range": "serial",
    "parallel": "parallel",
    "vectorized": "vectorized",
    "vectorize": "vectorized",
    "unroll": "unrolled",
    "unrolled": "unrolled",
    "thread_binding": "thread",
    "grid": "serial",
}
_AXES = {"spatial": "S", "S": "S", "reduce": "R", "R": "R", "scan": "C", "opaque": "O"}
_BUFFERS = frozenset(
    "Buffer match_buffer alloc_buffer sblock_alloc_buffer decl_buffer buffer_decl allocate alloc_shared alloc_local "
    "alloc_fragment allocate_const alloc_scalar".split()
)
_IGNORED = frozenset(
    "func_attr reads writes block_attr sblock_attr func_name func_ret where preflattened_buffer device_entry attr "
    "comm_reducer func_type is_size_var launch_thread_hint".split()
)
_SCOPES = {"alloc_shared": "shared", "alloc_local": "local", "alloc_fragment": "fragment"}


def parse_script(text: str, file: str) -> tuple[MlirModule, tuple[Diagnostic, ...]]:
    """Every function under a decorator `prim_func`.

    Raises:
        ParseError: it is no Python, or holds no such function.
        RecursionError, MemoryError: nested too deeply.
    """
    source = Source(text, file)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except SyntaxError as error:
        location = Location(file=file, line=max(1, error.lineno or 1), column=max(1, error.offset or 1))
        raise ParseError(f"this is no TVM script, which is Python: {error.msg}", location=location) from None
    except ValueError as error:
        location = Location(file=file, line=1, column=1)
        raise ParseError(f"this is no TVM script, which is Python: {error}", location=location) from None
    reader = _Script(source)
    reader.module(tree.body)
    if not reader.builder.module.operations:
        raise ParseError(
            "this Python holds no TVM script: no function has the decorator `T.prim_func`",
            location=Location(file=file, line=1, column=1),
        )
    return reader.builder.module, tuple(reader.diagnostics)


class _Script:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.builder = Builder(source)
        self.expressions = Expressions(self.builder)
        self.names = self.expressions.names
        self.diagnostics: list[Diagnostic] = []
        self.axes: list[str] = []
        self._line_offsets = [0]
        for line in source.text.split("\n"):
            self._line_offsets.append(self._line_offsets[-1] + len(line) + 1)

    # ---- outside functions ----------------------------------------------------------------------------------------

    def module(self, body: Sequence[ast.stmt]) -> None:
        for statement in body:
            if isinstance(statement, ast.ClassDef):
                self.module(statement.body)
            elif isinstance(statement, ast.FunctionDef):
                if any(_last_name(decorator) == "prim_func" for decorator in statement.decorator_list):
                    self.function(statement)
                else:
                    self.module(statement.body)
            elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                number = literal(statement.value, self.expressions.numbers)
                if number is not None:
                    self.expressions.numbers[statement.targets[0].id] = number

    def function(self, definition: ast.FunctionDef) -> None:
        self.names.clear()
        self._at(definition)
        with self.builder.function(definition.name) as operation:
            block = operation.regions[0].blocks[0]
            for argument in definition.args.args:
                kind = self._annotation(argument.annotation)
                self.names[argument.arg] = self.builder.argument(block, kind)
            self.body(definition.body)

    def _annotation(self, annotation: ast.expr | None) -> str:
        if annotation is None:
            return "!llvm.ptr"
        if isinstance(annotation, ast.Subscript):
            items = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
            return self._buffer_type(list(items), [], "")
        if isinstance(annotation, ast.Call) and _last_name(annotation) in _BUFFERS:
            return self._buffer_type(annotation.args, annotation.keywords, "")
        if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
            return mlir_type(annotation.value)
        name = _last_name(annotation)
        return mlir_type(name) if name != "Ptr" else "!llvm.ptr"

    def _buffer_type(self, args: Sequence[ast.expr], keywords: Sequence[ast.keyword], scope: str) -> str:
        named = {keyword.arg: keyword.value for keyword in keywords}
        shape = args[0] if args else named.get("shape")
        sizes = shape.elts if isinstance(shape, (ast.Tuple, ast.List)) else [shape] if shape is not None else []
        numbers = [literal(size, self.expressions.numbers) for size in sizes]
        dims = [int(number) if number is not None else None for number in numbers]
        strings = texts([*args[1:], *(named[key] for key in ("dtype",) if key in named)])
        dtype = strings[0] if strings else "float32"
        scopes = texts([named[key] for key in ("scope",) if key in named])
        return memref_type(dims, dtype, scopes[0] if scopes else strings[1] if len(strings) > 1 else scope)

    # ---- statements -----------------------------------------------------------------------------------------------

    def _at(self, node: ast.stmt | ast.expr) -> None:
        self.builder.offset = min(self._line_offsets[node.lineno - 1] + node.col_offset, len(self.source.text))

    def say(self, node: ast.stmt | ast.expr, message: str) -> None:
        location = Location(file=self.source.file, line=node.lineno, column=node.col_offset + 1)
        self.diagnostics.append(Diagnostic(location=location, message=message))

    def body(self, statements: Sequence[ast.stmt]) -> None:
        for statement in statements:
            self._at(statement)
            handler = _STATEMENTS.get(type(statement))
            if handler is None:
                self.say(statement, f"{type(statement).__name__} is no statement of TVM script and was left out")
                continue
            handler(self, statement)

    def for_(self, statement: ast.For) -> None:
        call = statement.iter
        name = _last_name(call)
        if not isinstance(call, ast.Call) or name not in _LOOPS:
            self.say(statement, "this loop is over none of T.serial, T.grid and their like; its body was read once")
            self.body(statement.body)
            return
        variables = statement.target.elts if isinstance(statement.target, ast.Tuple) else [statement.target]
        expression = self.expressions
        bounds = [expression.value(argument) for argument in call.args if not isinstance(argument, ast.Starred)]
        zero = self.builder.constant(0, bounds[0].type_text if bounds else "i32")
        step = next((expression.value(keyword.value) for keyword in call.keywords if keyword.arg == "step"), None)
        if name == "grid":
            ranges = [(zero, bound) for bound in bounds]
        elif len(bounds) >= 2:
            ranges = [(bounds[0], bounds[1])]
            step = bounds[2] if len(bounds) > 2 else step
        else:
            ranges = [(zero, bound) for bound in bounds]
        with ExitStack() as stack:
            for position, (lower, upper) in enumerate(ranges):
                one = step if step is not None else self.builder.constant(1, upper.type_text)
                value = stack.enter_context(self.builder.loop(lower, upper, one, _LOOPS[name]))
                if position < len(variables):
                    self._bind(variables[position], value)
            self.body(statement.body)

    def while_(self, statement: ast.While) -> None:
        operation = self.builder.op("scf.while")
        with self.builder.region(operation):
            self.builder.op("scf.condition", [self.expressions.value(statement.test)])
        with self.builder.region(operation, "scf.yield"):
            self.body(statement.body)

    def if_(self, statement: ast.If) -> None:
        operation = self.builder.op("scf.if", [self.expressions.value(statement.test)])
        for branch in (statement.body, statement.orelse):
            if branch:
                with self.builder.region(operation, "scf.yield"):
                    self.body(branch)

    def with_(self, statement: ast.With) -> None:
        with ExitStack() as stack:
            for item in statement.items:
                value = stack.enter_context(self._context(item.context_expr, statement.body))
                if value is not None and isinstance(item.optional_vars, ast.Name):
                    self.names[item.optional_vars.id] = value
            self.body(statement.body)

    @contextmanager
    def _context(self, call: ast.expr, body: Sequence[ast.stmt]) -> Iterator[Value | None]:
        name = _last_name(call)
        args = call.args if isinstance(call, ast.Call) else []
        if name in ("block", "sblock"):
            with self.builder.block(_axes_of(body)):
                yield None
        elif name in ("launch_thread", "env_thread"):
            extents = [self.expressions.value(argument) for argument in args if not _is_text(argument)][:1]
            extents = extents or [self.builder.constant(1, "i32")]
            kind = extents[0].type_text
            bounds = self.builder.constant(0, kind), extents[0], self.builder.constant(1, kind)
            with self.builder.loop(*bounds, "thread") as value:
                yield value
        elif name in _BUFFERS and isinstance(call, ast.Call):
            yield self._buffer(call, name)
        elif name in ("attr", "LetStmt", "Let", "let"):
            yield self.expressions.value(args[0]) if name != "attr" and args else None
        else:
            with self.builder.region(self.builder.op(f"tir.{name or 'with'}"), "tir.yield"):
                yield None

    def _buffer(self, call: ast.Call, name: str) -> Value:
        if name == "match_buffer" and call.args:
            kind = self._buffer_type(call.args[1:], call.keywords, "")
            handle = self.expressions.value(call.args[0])
            if isinstance(call.args[0], ast.Name) and not handle.type_text.startswith("memref"):
                handle.type_text = kind  # the argument is this buffer
                return handle
            return self.builder.value("tir.match_buffer", [handle], kind)
        kind = self._buffer_type(call.args, call.keywords, _SCOPES.get(name, ""))
        return self.builder.value("memref.alloc", [], kind)

    def assign(self, statement: ast.Assign) -> None:
        target, value = statement.targets[0], statement.value
        if isinstance(target, ast.Subscript):
            self._store(target, self.expressions.value(value, self.expressions.element(target.value)))
            return
        names = target.elts if isinstance(target, ast.Tuple) else [target]
        axis = called(value, "axis")
        if axis is not None and isinstance(value, ast.Call):
            self._bind_axes(names, value, axis)
        elif isinstance(value, ast.Call) and _last_name(value) in _BUFFERS:
            self._bind(names[0], self._buffer(value, _last_name(value)))
        elif len(names) == 1:
            number = literal(value, self.expressions.numbers)
            self._bind(names[0], self.expressions.value(value))
            if number is not None and isinstance(names[0], ast.Name) and not isinstance(value, ast.Call):
                self.names[names[0].id] = self.expressions.value(value)
        elif isinstance(value, (ast.Tuple, ast.List)) and len(value.elts) == len(names):
            for name, item in zip(names, value.elts, strict=True):
                self._bind(name, self.expressions.value(item))
        else:
            result = self.expressions.value(value)
            for name in names:
                self._bind(name, result)

    def _bind(self, name: ast.expr, value: Value) -> None:
        if isinstance(name, ast.Name):
            self.names[name.id] = value

    def _bind_axes(self, names: Sequence[ast.expr], call: ast.Call, axis: str) -> None:
        """Block axes are the values that they are bound to."""
        if axis == "remap" and len(call.args) > 1 and isinstance(call.args[1], (ast.List, ast.Tuple)):
            values = call.args[1].elts
        else:
            values = call.args[-1:]
        for name, value in zip(names, values, strict=False):
            self._bind(name, self.expressions.value(value))

    def annotated(self, statement: ast.AnnAssign) -> None:
        if statement.value is None:
            return
        if isinstance(statement.value, ast.Call) and _last_name(statement.value) in _BUFFERS:
            self._bind(statement.target, self._buffer(statement.value, _last_name(statement.value)))
            return
        kind = self._annotation(statement.annotation)
        self._bind(statement.target, self.expressions.value(statement.value, kind))

    def augmented(self, statement: ast.AugAssign) -> None:
        if isinstance(statement.target, ast.Subscript):
            element = self.expressions.element(statement.target.value)
            value = self.expressions.value(
                ast.copy_location(ast.BinOp(statement.target, statement.op, statement.value), statement), element
            )
            self._store(statement.target, value)
            return
        value = self.expressions.value(
            ast.copy_location(ast.BinOp(statement.target, statement.op, statement.value), statement)
        )
        self._bind(statement.target, value)

    def _store(self, target: ast.Subscript, value: Value) -> None:
        buffer = self.expressions.value(target.value)
        self.builder.store(value, buffer, self.expressions.indices(target))

    def expression(self, statement: ast.Expr) -> None:
        call = statement.value
        name = _last_name(call)
        if isinstance(call, ast.Constant) or name in _IGNORED:
            return
        if name == "evaluate" and isinstance(call, ast.Call) and call.args:
            call = call.args[0]
            if isinstance(call, ast.Constant):
                return
        self.expressions.value(call)

    def return_(self, statement: ast.Return) -> None:
        if statement.value is not None:
            self.expressions.value(statement.value)

    def assert_(self, statement: ast.Assert) -> None:
        self.builder.op("cf.assert", [self.expressions.value(statement.test)])

    def nothing(self, statement: ast.stmt) -> None:
        """`pass` and imports."""


_STATEMENTS: dict[type[ast.stmt], Callable[[_Script, Any], None]] = {
    ast.For: _Script.for_,
    ast.While: _Script.while_,
    ast.If: _Script.if_,
    ast.With: _Script.with_,
    ast.Assign: _Script.assign,
    ast.AnnAssign: _Script.annotated,
    ast.AugAssign: _Script.augmented,
    ast.Expr: _Script.expression,
    ast.Return: _Script.return_,
    ast.Assert: _Script.assert_,
    ast.Pass: _Script.nothing,
    ast.Import: _Script.nothing,
    ast.ImportFrom: _Script.nothing,
}


def _last_name(node: ast.expr) -> str:
    """`prim_func` of `T.prim_func(private=True)`."""
    if isinstance(node, ast.Call):
        node = node.func
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _axes_of(body: Sequence[ast.stmt]) -> str:
    """One letter for each axis that the block's first statements bind."""
    letters = ""
    for statement in body:
        if not isinstance(statement, ast.Assign) or not isinstance(statement.value, ast.Call):
            continue
        axis = called(statement.value, "axis")
        if axis == "remap":
            found = texts(statement.value.args[:1])
            letters += "".join(letter for letter in (found[0] if found else "") if letter.isalpha())
        elif axis is not None:
            letters += _AXES.get(axis, "O")
    return letters
