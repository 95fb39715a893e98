"""Running a case: operands from a seed, and the error of a result. Gets torch from its caller."""

from __future__ import annotations

from typing import Any

_NAMES = {
    "fp32": "float32", "fp16": "float16", "bf16": "bfloat16", "i8": "int8", "int8": "int8", "i32": "int32",
    "int64": "int64",
}  # fmt: skip


class Maker:
    """Makes operands on a device, the same for the same seed; `dtype` is what `rand` and `empty` give by default."""

    def __init__(self, torch: Any, device: str, dtype: str, seed: int) -> None:
        self.torch = torch
        self.device = device
        self.dtype = dtype
        self.itemsize = {"fp32": 4, "i32": 4, "i8": 1}.get(dtype, 2)
        self._generator = torch.Generator(device=device).manual_seed(seed)

    def _type(self, dtype: str | None) -> Any:
        return getattr(self.torch, _NAMES[dtype or self.dtype])

    def rand(self, *shape: int, dtype: str | None = None) -> Any:
        """Standard normal values over 4."""
        values = self.torch.randn(*shape, generator=self._generator, device=self.device) * 0.25
        return values.to(self._type(dtype))

    def ints(self, low: int, high: int, *shape: int, dtype: str) -> Any:
        """Integers from `low` up to below `high`."""
        values = self.torch.randint(low, high, shape, generator=self._generator, device=self.device)
        return values.to(self._type(dtype))

    def empty(self, *shape: int, dtype: str | None = None) -> Any:
        """Room for a result."""
        return self.torch.empty(*shape, dtype=self._type(dtype), device=self.device)

    def zeros(self, *shape: int, dtype: str | None = None) -> Any:
        """Zeros."""
        return self.torch.zeros(*shape, dtype=self._type(dtype), device=self.device)


def error_of(torch: Any, got: Any, wanted: Any) -> float:
    """Largest difference over the largest magnitude wanted, infinity where a value is no number."""
    got, wanted = got.double(), wanted.double()
    if not bool(torch.isfinite(got).all()):
        return float("inf")
    return float((got - wanted).abs().max() / wanted.abs().max().clamp_min(1e-6))
