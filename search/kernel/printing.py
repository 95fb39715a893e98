"""A kernel as linalg on tensors again: canonical names, no weights. Its sha256 is the workload id.

Owns the canonical text. Invariant: equal kernels print equally whatever their names were.
"""

from __future__ import annotations

from costmodel.core.hashing import sha256_text
from costmodel.search.kernel.form import Access, Buffer, Const, Kernel, Linear, Operand, Ref, ScalarOp, Stage
from costmodel.search.kernel.literals import literal

_CASTS = ("arith.ext", "arith.trunc", "arith.sitofp", "arith.uitofp", "arith.fpto", "arith.index_cast", "arith.bitcast")


def tensor_type(shape: tuple[int, ...], dtype: str) -> str:
    """MLIR type of a dense tensor."""
    return f"tensor<{''.join(f'{s}x' for s in shape)}{dtype}>"


def workload_id(kernel: Kernel) -> str:
    """sha256 of the canonical text."""
    return sha256_text(print_kernel(kernel))


class _Printer:
    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.lines: list[str] = []
        self.values: dict[str, str] = {}
        self.count = 0

    def fresh(self) -> str:
        self.count += 1
        return f"%v{self.count}"

    def emit(self, text: str) -> str:
        name = self.fresh()
        self.lines.append(f"    {name} = {text}")
        return name

    def type(self, buffer: Buffer) -> str:
        return tensor_type(buffer.shape, buffer.dtype)

    def value(self, name: str) -> str:
        """The SSA tensor that holds a buffer now; a view is reshaped through one dimension."""
        if name in self.values:
            return self.values[name]
        view = self.kernel.by_name[name]
        assert view.alias_of is not None, f"buffer {name} is read before it is written"
        source = self.kernel.by_name[view.alias_of]
        return self.reshape(self.value(view.alias_of), source, view)

    def reshape(self, value: str, source: Buffer, target: Buffer) -> str:
        flat = tensor_type((source.elements,), source.dtype)
        if len(source.shape) == 0:
            value = self.emit(f"tensor.expand_shape {value} [] output_shape [1] : {self.type(source)} into {flat}")
        elif len(source.shape) > 1:
            group = "[[" + ", ".join(str(i) for i in range(len(source.shape))) + "]]"
            value = self.emit(f"tensor.collapse_shape {value} {group} : {self.type(source)} into {flat}")
        if len(target.shape) == 0:
            return self.emit(f"tensor.collapse_shape {value} [] : {flat} into {self.type(target)}")
        if len(target.shape) > 1:
            group = "[[" + ", ".join(str(i) for i in range(len(target.shape))) + "]]"
            sizes = "[" + ", ".join(str(s) for s in target.shape) + "]"
            value = self.emit(
                f"tensor.expand_shape {value} {group} output_shape {sizes} : {flat} into {self.type(target)}"
            )
        return value

    def constant(self, const: Const) -> str:
        return self.emit(
            f"arith.constant {literal(const.value, const.dtype)}" + ("" if const.dtype == "i1" else f" : {const.dtype}")
        )

    def filled(self, shape: tuple[int, ...], const: Const) -> str:
        type_ = tensor_type(shape, const.dtype)
        scalar, empty = self.constant(const), self.emit(f"tensor.empty() : {type_}")
        return self.emit(f"linalg.fill ins({scalar} : {const.dtype}) outs({empty} : {type_}) -> {type_}")

    # -- stages ----------------------------------------------------------------------------------------------

    def stage(self, stage: Stage) -> None:
        buffers = [self.kernel.by_name[w.buffer] for w in stage.writes]
        direct = all(self._whole(stage, w, b) for w, b in zip(stage.writes, buffers, strict=True))
        if direct:
            outs = [self._out(stage, b.shape, b.dtype, w) for b, w in zip(buffers, stage.writes, strict=True)]
            results = self.generic(stage, [w.maps for w in stage.writes], outs, [self.type(b) for b in buffers])
            for b, r in zip(buffers, results, strict=True):
                self.values[b.name] = r
            return
        self._into_slice(stage, buffers[0])

    def _whole(self, stage: Stage, write: Access, buffer: Buffer) -> bool:
        """Whether the stage writes every element of the buffer, one loop dimension for each of its dimensions."""
        for linear, size in zip(write.maps, buffer.shape, strict=True):
            used = [i for i, c in enumerate(linear.coeffs) if c]
            if linear.const or len(used) != 1 or linear.coeffs[used[0]] != 1 or stage.dims[used[0]].extent != size:
                return False
        return stage.prefill is None

    def _out(self, stage: Stage, shape: tuple[int, ...], dtype: str, write: Access) -> str:
        type_ = tensor_type(shape, dtype)
        if isinstance(stage.init, Const):
            return self.filled(shape, stage.init)
        empty = self.emit(f"tensor.empty() : {type_}")
        if stage.init is None:
            return empty
        copy = Stage(
            name="init", dims=stage.dims, reads=(stage.init,), writes=(write,), body=(), yields=(Ref("read", 0),)
        )
        kept = [i for i, d in enumerate(stage.dims) if not d.reduction]
        return self.generic(_project(copy, kept), [_project_maps(write.maps, kept)], [empty], [type_])[0]

    def _into_slice(self, stage: Stage, target: Buffer) -> None:
        """Write a part of a buffer: compute it densely, then insert it."""
        shape = tuple(d.extent for d in stage.dims)
        dtype, rank = target.dtype, len(shape)
        maps = tuple(Linear(tuple(int(i == j) for j in range(rank))) for i in range(rank))
        type_ = tensor_type(shape, dtype)
        dense = self.generic(stage, [maps], [self.emit(f"tensor.empty() : {type_}")], [type_])[0]
        if stage.prefill is not None:
            base = self.filled(target.shape, stage.prefill)
        else:
            base = self.values.get(target.name) or self.emit(f"tensor.empty() : {self.type(target)}")
        sizes, strides = [], []
        for linear in stage.writes[0].maps:
            used = [i for i, c in enumerate(linear.coeffs) if c]
            sizes.append(shape[used[0]] if used else 1)
            strides.append(linear.coeffs[used[0]] if used else 1)
        offsets = [linear.const for linear in stage.writes[0].maps]
        where = "".join(f"[{', '.join(map(str, part))}] " for part in (offsets, sizes, strides))
        self.values[target.name] = self.emit(
            f"tensor.insert_slice {dense} into {base}{where.rstrip()} : {type_} into {self.type(target)}"
        )

    def generic(
        self, stage: Stage, out_maps: list[tuple[Linear, ...]], outs: list[str], out_types: list[str]
    ) -> list[str]:
        rank = len(stage.dims)
        ins = [self.operand(a, stage) for a in stage.reads]
        args = [(f"%x{i}", self.kernel.by_name[a.buffer].dtype) for i, a in enumerate(stage.reads)]
        ins, args = self._bound_dims(stage, ins, args, out_maps)
        args += [(f"%y{i}", t.rstrip(">").split("x")[-1].removeprefix("tensor<")) for i, t in enumerate(out_types)]
        maps = ", ".join(f"affine_map<{_affine(m, rank)}>" for m in [i[2] for i in ins] + list(out_maps))
        kinds = ", ".join('"reduction"' if d.reduction else '"parallel"' for d in stage.dims)
        name = self.fresh()
        count = f":{len(outs)}" if len(outs) > 1 else ""
        self.lines.append(
            f"    {name}{count} = linalg.generic {{indexing_maps = [{maps}], iterator_types = [{kinds}]}}"
        )
        if ins:
            self.lines.append(f"      ins({', '.join(i[0] for i in ins)} : {', '.join(i[1] for i in ins)})")
        self.lines.append(f"      outs({', '.join(outs)} : {', '.join(out_types)}) {{")
        self.lines.append(f"    ^bb0({', '.join(f'{n}: {t}' for n, t in args)}):")
        self.body(stage, [a[1] for a in args[len(args) - len(outs) :]])
        results = ", ".join(out_types)
        self.lines.append(f"    }} -> {results}" if len(outs) == 1 else f"    }} -> ({results})")
        return [f"{name}#{i}" for i in range(len(outs))] if len(outs) > 1 else [name]

    def operand(self, access: Access, stage: Stage) -> tuple[str, str, tuple[Linear, ...]]:
        """Value, type and maps of a read; a part is sliced out first, since linalg infers bounds from shapes."""
        buffer = self.kernel.by_name[access.buffer]
        value, maps, where = self.value(access.buffer), [], []
        for linear, size in zip(access.maps, buffer.shape, strict=True):
            used = [d for d, c in enumerate(linear.coeffs) if c > 0]
            whole = len(used) != 1 or any(c < 0 for c in linear.coeffs)
            extent, step = (size, 1) if whole else (stage.dims[used[0]].extent, linear.coeffs[used[0]])
            where.append((0 if whole else linear.const, extent, step))
            maps.append(linear if whole else Linear(tuple(int(d == used[0]) for d in range(len(linear.coeffs)))))
        if all(w == (0, size, 1) for w, size in zip(where, buffer.shape, strict=True)):
            return value, self.type(buffer), access.maps
        part = tensor_type(tuple(w[1] for w in where), buffer.dtype)
        text = " ".join(str(list(numbers)) for numbers in zip(*where, strict=True)).replace(" [", "[")
        return self.emit(f"tensor.extract_slice {value}{text} : {self.type(buffer)} to {part}"), part, tuple(maps)

    def _bound_dims(
        self,
        stage: Stage,
        ins: list[tuple[str, str, tuple[Linear, ...]]],
        args: list[tuple[str, str]],
        outs: list[tuple[Linear, ...]],
    ) -> tuple[list[tuple[str, str, tuple[Linear, ...]]], list[tuple[str, str]]]:
        """Add an operand that only gives loop bounds where no map does (as linalg's pooling operations have)."""
        bare = set()
        for maps in [i[2] for i in ins] + outs:
            for linear in maps:
                used = [d for d, c in enumerate(linear.coeffs) if c]
                if len(used) == 1 and linear.coeffs[used[0]] == 1 and linear.const == 0:
                    bare.add(used[0])
        missing = [d for d in range(len(stage.dims)) if d not in bare]
        if not missing:
            return ins, args
        type_ = tensor_type(tuple(stage.dims[d].extent for d in missing), "f32")
        empty = self.emit(f"tensor.empty() : {type_}")
        maps = tuple(Linear(tuple(int(j == d) for j in range(len(stage.dims)))) for d in missing)
        return [*ins, (empty, type_, maps)], [*args, ("%unused", "f32")]

    def body(self, stage: Stage, out_dtypes: list[str]) -> None:
        names: list[str] = []

        def operand(o: Operand) -> str:
            if isinstance(o, Const):
                return self.constant(o)
            if o.kind == "index":
                return self.emit(f"linalg.index {o.index} : index")
            return {"read": f"%x{o.index}", "acc": f"%y{o.index}", "op": ""}[o.kind] or names[o.index]

        for op in stage.body:
            names.append(self.emit(_scalar(op, [operand(o) for o in op.operands])))
        yields = [operand(o) for o in stage.yields]
        self.lines.append(f"      linalg.yield {', '.join(yields)} : {', '.join(out_dtypes)}")


def _scalar(op: ScalarOp, names: list[str]) -> str:
    if op.name.startswith(_CASTS):
        return f"{op.name} {names[0]} : {op.operand_dtype} to {op.dtype}"
    type_ = op.operand_dtype if op.name in ("arith.cmpf", "arith.cmpi") else op.dtype
    return f"{op.name} {op.attrs}{', '.join(names)} : {type_}"


def _project_maps(maps: tuple[Linear, ...], kept: list[int]) -> tuple[Linear, ...]:
    return tuple(Linear(tuple(linear.coeffs[i] for i in kept), linear.const) for linear in maps)


def _project(stage: Stage, kept: list[int]) -> Stage:
    return Stage(
        name=stage.name,
        dims=tuple(stage.dims[i] for i in kept),
        reads=tuple(Access(a.buffer, _project_maps(a.maps, kept)) for a in stage.reads),
        writes=tuple(Access(a.buffer, _project_maps(a.maps, kept)) for a in stage.writes),
        body=stage.body,
        yields=stage.yields,
    )


def _affine(maps: tuple[Linear, ...], rank: int) -> str:
    dims = ", ".join(f"d{i}" for i in range(rank))
    results = []
    for linear in maps:
        terms = [f"d{i}" if c == 1 else f"d{i} * {c}" for i, c in enumerate(linear.coeffs) if c]
        if linear.const or not terms:
            terms.append(str(linear.const))
        results.append(" + ".join(terms))
    return f"({dims}) -> ({', '.join(results)})"


def print_kernel(kernel: Kernel, name: str = "kernel") -> str:
    """Linalg on tensors, custom form; weights are arguments marked `costmodel.constant`."""
    printer = _Printer(kernel)
    arguments = []
    for i, n in enumerate(kernel.inputs):
        buffer = kernel.by_name[n]
        mark = " {costmodel.constant}" if buffer.constant else ""
        printer.values[n] = f"%arg{i}"
        arguments.append(f"%arg{i}: {printer.type(buffer)}{mark}")
    for stage in kernel.stages:
        printer.stage(stage)
    types = [printer.type(kernel.by_name[n]) for n in kernel.outputs]
    values = [printer.value(n) for n in kernel.outputs]
    head = f"  func.func @{name}({', '.join(arguments)}) -> ({', '.join(types)}) {{"
    tail = f"    return {', '.join(values)} : {', '.join(types)}"
    return "\n".join(["module {", head, *printer.lines, tail, "  }", "}"]) + "\n"
