"""What numpy or torch eager takes for each family of `costmodel.datasets.linalg`: the other side of `kernels.py`.

Owns the choice of the call: the library's fastest eager form of the operation, results written with `out=` or in place
where it can, operands laid out before timing. Import it only in a process whose environment is clean.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from _common import Array, Call, aligned

Sizes = Mapping[str, int]
Baseline = tuple[Call, Callable[[], Array]]
"""The call to time, and its last result in the layout of our output."""
Maker = Callable[[Sequence[Array], tuple[int, ...], Sizes], Baseline]


def _numpy(run: Callable[..., object], arrays: Sequence[Array], shape: tuple[int, ...]) -> Baseline:
    out = aligned(shape)
    return partial(run, *arrays, out=out), lambda: out


def _matmul(arrays: Sequence[Array], shape: tuple[int, ...], sizes: Sizes) -> Baseline:
    return _numpy(np.matmul, arrays, shape)


def _matmul_transposed(arrays: Sequence[Array], shape: tuple[int, ...], sizes: Sizes) -> Baseline:
    return _numpy(np.matmul, [arrays[0], arrays[1].T], shape)


def _matmul_bias_relu(arrays: Sequence[Array], shape: tuple[int, ...], sizes: Sizes) -> Baseline:
    def run(a: Array, b: Array, bias: Array, out: Array) -> None:
        np.matmul(a, b, out=out)
        np.add(out, bias, out=out)
        np.maximum(out, 0.0, out=out)

    return _numpy(run, arrays, shape)


def _torch() -> Any:
    """Torch, for one thread and without gradients."""
    import torch

    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    return torch


def _last(run: Callable[[], Any], view: Callable[[Any], Any] = lambda t: t) -> Baseline:
    """A call that returns its result."""
    return run, lambda: np.ascontiguousarray(view(run()).numpy())


def _into(run: Callable[..., object], arrays: Sequence[Array], shape: tuple[int, ...], **options: object) -> Baseline:
    """A torch call with `out=`."""
    torch, out = _torch(), aligned(shape)
    call = partial(run, *[torch.from_numpy(a) for a in arrays], out=torch.from_numpy(out), **options)
    return call, lambda: out


def _conv2d(arrays: Sequence[Array], sizes: Sizes, *, last: bool, groups: int | None = None) -> Baseline:
    """`last`: channels last, the image NHWC and the weights HWCF (HWC where depthwise)."""
    torch = _torch()
    image, weight = (torch.from_numpy(a) for a in arrays)
    if groups is not None:
        weight = weight.permute(2, 0, 1).unsqueeze(1) if last else weight.unsqueeze(1)
    elif last:
        weight = weight.permute(3, 2, 0, 1)
    layout = torch.channels_last if last else torch.contiguous_format
    image = image.permute(0, 3, 1, 2) if last else image
    run = partial(
        torch.nn.functional.conv2d,
        image.contiguous(memory_format=layout),
        weight.contiguous(memory_format=layout),
        stride=sizes.get("stride", 1),
        groups=groups or 1,
    )
    return _last(run, (lambda t: t.permute(0, 2, 3, 1)) if last else (lambda t: t))


def _conv1d(arrays: Sequence[Array], shape: tuple[int, ...], sizes: Sizes) -> Baseline:
    torch = _torch()
    tensors = [torch.from_numpy(a) for a in arrays]
    return _last(partial(torch.nn.functional.conv1d, *tensors, stride=sizes.get("stride", 1)))


def _pooling(arrays: Sequence[Array], shape: tuple[int, ...], sizes: Sizes) -> Baseline:
    torch = _torch()
    pool = partial(torch.nn.functional.max_pool2d, torch.from_numpy(arrays[0]), sizes["w"])
    return _last(partial(pool, stride=sizes.get("stride", 1)))


def _softmax(arrays: Sequence[Array], shape: tuple[int, ...], sizes: Sizes) -> Baseline:
    return _into(_torch().softmax, arrays, shape, dim=-1)


def _layer_norm(arrays: Sequence[Array], shape: tuple[int, ...], sizes: Sizes) -> Baseline:
    torch = _torch()
    a, scale, shift = (torch.from_numpy(x) for x in arrays)
    return _last(partial(torch.nn.functional.layer_norm, a, (shape[-1],), scale, shift, 1e-5))


def _reduce_rows(arrays: Sequence[Array], shape: tuple[int, ...], sizes: Sizes) -> Baseline:
    return _into(_torch().sum, arrays, shape, dim=1)


def _reduce_columns(arrays: Sequence[Array], shape: tuple[int, ...], sizes: Sizes) -> Baseline:
    return _into(_torch().amax, arrays, shape, dim=0)


def _gelu(arrays: Sequence[Array], shape: tuple[int, ...], sizes: Sizes) -> Baseline:
    torch = _torch()

    def run(a: Any, bias: Any, out: Any) -> None:
        torch.add(a, bias, out=out)
        torch.ops.aten.gelu.out(out, approximate="tanh", out=out)

    return _into(run, arrays, shape)


def _chain(arrays: Sequence[Array], shape: tuple[int, ...], sizes: Sizes) -> Baseline:
    torch = _torch()

    def run(a: Any, b: Any, c: Any, d: Any, out: Any) -> None:
        torch.addcmul(c, a, b, out=out)
        out.relu_()
        out.sub_(d)

    return _into(run, arrays, shape)


def _transpose(arrays: Sequence[Array], shape: tuple[int, ...], sizes: Sizes) -> Baseline:
    return _into(_torch().add, [arrays[0].T], shape, other=1.0)


BASELINES: dict[str, tuple[str, Maker]] = {
    "matmul": ("numpy.matmul(out=)", _matmul),
    "matmul_bias_relu": ("numpy.matmul, add, maximum (out=)", _matmul_bias_relu),
    "matmul_transposed": ("numpy.matmul(a, b.T, out=)", _matmul_transposed),
    "batch_matmul": ("numpy.matmul(out=)", _matmul),
    "matvec": ("numpy.matmul(out=)", _matmul),
    "conv2d_nhwc": ("torch conv2d, channels_last", lambda a, o, s: _conv2d(a, s, last=True)),
    "conv2d_nchw": ("torch conv2d", lambda a, o, s: _conv2d(a, s, last=False)),
    "depthwise_nchw": ("torch conv2d(groups=c)", lambda a, o, s: _conv2d(a, s, last=False, groups=s["c"])),
    "depthwise_nhwc": (
        "torch conv2d(groups=c), channels_last",
        lambda a, o, s: _conv2d(a, s, last=True, groups=s["c"]),
    ),
    "conv1d": ("torch conv1d", _conv1d),
    "pooling_max": ("torch max_pool2d", _pooling),
    "softmax": ("torch.softmax(out=)", _softmax),
    "layer_norm": ("torch layer_norm", _layer_norm),
    "reduce_rows": ("torch.sum(out=)", _reduce_rows),
    "reduce_columns": ("torch.amax(out=)", _reduce_columns),
    "elementwise_gelu": ("torch.add(out=), gelu.out(tanh)", _gelu),
    "elementwise_chain": ("torch.addcmul(out=), relu_, sub_", _chain),
    "transpose": ("torch.add(a.T, 1, out=)", _transpose),
}


def make_baseline(family: str, arrays: Sequence[Array], shape: tuple[int, ...], sizes: Sizes) -> Baseline:
    """The library's side for a family; `shape` is that of our output."""
    return BASELINES[family][1](arrays, shape, sizes)
