"""Small kernels for tests of measuring, written in the structured form."""

from __future__ import annotations

from costmodel.search.kernel.form import Access, Buffer, Const, Dim, Kernel, Linear, Ref, ScalarOp, Stage


def access(buffer: str, rank: int, *dims: int) -> Access:
    return Access(buffer, tuple(Linear(tuple(int(i == d) for i in range(rank))) for d in dims))


def op(name: str, *operands, dtype: str = "f32") -> ScalarOp:
    return ScalarOp(name, operands, dtype, dtype)


def buffer(name: str, *shape: int, dtype: str = "f32", constant: bool = False) -> Buffer:
    return Buffer(name=name, shape=shape, dtype=dtype, constant=constant)


def elementwise(n: int, body: tuple[ScalarOp, ...], *, inputs: int = 2, dtype: str = "f32") -> Kernel:
    names = tuple(f"in{i}" for i in range(inputs))
    stage = Stage(
        name="map",
        dims=(Dim(name="i", extent=n, reduction=False),),
        reads=tuple(access(name, 1, 0) for name in names),
        writes=(access("out0", 1, 0),),
        body=body,
        yields=(Ref("op", len(body) - 1),),
    )
    buffers = tuple(buffer(name, n, dtype=dtype) for name in (*names, "out0"))
    return Kernel(name="map", buffers=buffers, inputs=names, outputs=("out0",), stages=(stage,), family="elementwise")


def add(n: int = 1000, dtype: str = "f32") -> Kernel:
    name = "arith.addf" if dtype.startswith("f") else "arith.addi"
    return elementwise(n, (op(name, Ref("read", 0), Ref("read", 1), dtype=dtype),), dtype=dtype)


def unary(name: str, n: int = 4096) -> Kernel:
    return elementwise(n, (op(name, Ref("read", 0)),), inputs=1)


def matmul(m: int, n: int, k: int, *, constant_b: bool = False, dtype: str = "f32") -> Kernel:
    sizes = {"m": m, "n": n, "k": k}
    stage = Stage(
        name="matmul",
        dims=tuple(Dim(name=d, extent=e, reduction=d == "k") for d, e in sizes.items()),
        reads=(access("in0", 3, 0, 2), access("in1", 3, 2, 1)),
        writes=(access("out0", 3, 0, 1),),
        body=(
            op("arith.mulf", Ref("read", 0), Ref("read", 1), dtype=dtype),
            op("arith.addf", Ref("acc", 0), Ref("op", 0), dtype=dtype),
        ),
        yields=(Ref("op", 1),),
        init=Const(0.0, dtype),
    )
    buffers = (
        buffer("in0", m, k, dtype=dtype),
        buffer("in1", k, n, dtype=dtype, constant=constant_b),
        buffer("out0", m, n, dtype=dtype),
    )
    return Kernel(
        name="matmul", buffers=buffers, inputs=("in0", "in1"), outputs=("out0",), stages=(stage,), family="matmul"
    )


def row_sum(m: int, n: int, *body: ScalarOp, combine: str = "arith.addf", init: float = 0.0) -> Kernel:
    """Reduce each row of `in0` after `body`, whose last operation's result is summed (or the element itself)."""
    value = Ref("op", len(body) - 1) if body else Ref("read", 0)
    stage = Stage(
        name="sum",
        dims=(Dim(name="m", extent=m, reduction=False), Dim(name="n", extent=n, reduction=True)),
        reads=(access("in0", 2, 0, 1),),
        writes=(access("out0", 2, 0),),
        body=(*body, op(combine, Ref("acc", 0), value)),
        yields=(Ref("op", len(body)),),
        init=Const(init, "f32"),
    )
    return Kernel(
        name="sum",
        buffers=(buffer("in0", m, n), buffer("out0", m)),
        inputs=("in0",),
        outputs=("out0",),
        stages=(stage,),
        family="reduction",
    )
