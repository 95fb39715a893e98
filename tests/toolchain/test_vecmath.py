"""Vector math: accuracy against float64, special values, lane types, and that no library call is left in the object."""

from __future__ import annotations

import ctypes
import math
import struct
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from costmodel.core.errors import UnknownNameError, UnsupportedError, UsageError
from costmodel.toolchain.lower import LoadedObject, compile_object
from costmodel.toolchain.vecmath import FUNCTIONS, constant_text, lower_math
from costmodel.toolchain.vecmath.accuracy import REFERENCES, exact, ulp_error
from costmodel.toolchain.vecmath.elementwise import ENTRY, TextEmitter, elementwise_module

Float32 = NDArray[np.float32]

CHUNK = 1 << 14
UNARY = [name for name, function in FUNCTIONS.items() if function.arity == 1]
POLYNOMIAL = [
    "math.exp",
    "math.exp2",
    "math.expm1",
    "sigmoid",
    "math.tanh",
    "math.erf",
    "math.log",
    "math.log2",
    "math.log1p",
]
POLYNOMIAL += ["math.sin", "math.cos", "math.rsqrt"]
INF, NAN = math.inf, math.nan
_POSITIVE = [0.0, 1.0, INF, 2.0**-149, 2.0**-126, 3.4028234e38, 0.5, 1.5, 2.5, 88.72283, 88.72284, 87.33655, 103.97207]
_POSITIVE += [103.97208, 9.010913, 3.8325068, 0.99999994]
SPECIAL = np.array([NAN, *_POSITIVE, *(-v for v in _POSITIVE)], dtype=np.float32)


@cache
def compiled(name: str, lanes: int) -> tuple[bytes, LoadedObject]:
    """Object code and the loaded function for `CHUNK` elements a call."""
    data = compile_object(elementwise_module(name, lanes=lanes, count=CHUNK)).data
    return data, LoadedObject(data, (ENTRY,))


def evaluate(name: str, *arguments: Float32, lanes: int = 16) -> Float32:
    """`name` on arrays of any equal length."""
    count = len(arguments[0])
    padded = [np.concatenate([a, np.ones(-count % CHUNK, np.float32)]).astype(np.float32) for a in arguments]
    out = np.full_like(padded[0], -77.0)
    function = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * (len(padded) + 1))(compiled(name, lanes)[1].address(ENTRY))
    for start in range(0, len(out), CHUNK):
        function(*(a.ctypes.data + 4 * start for a in (*padded, out)))
    return out[:count]


@cache
def stratified() -> Float32:
    """Every sign and exponent with 2,000 mantissas each, ends among them, and ordinary ranges: 1.5 million values."""
    rng = np.random.default_rng(20)
    mantissa = rng.integers(0, 1 << 23, (512, 2000), dtype=np.uint32)
    mantissa[:, :3] = (0, 1, (1 << 23) - 1)
    all_exponents = (mantissa | (np.arange(512, dtype=np.uint32) << 23)[:, None]).ravel().view(np.float32)
    ranges = [rng.uniform(-a, a, 100_000) for a in (0.1, 1.0, 5.0, 20.0, 110.0)]
    return np.concatenate([SPECIAL, all_exponents, *(r.astype(np.float32) for r in ranges)])


def undefined_symbols(data: bytes) -> set[str]:
    """Names that a 64-bit little-endian ELF object wants from elsewhere."""
    table_offset = struct.unpack_from("<Q", data, 0x28)[0]
    entry_size, entries = struct.unpack_from("<HH", data, 0x3A)
    headers = [struct.unpack_from("<IIQQQQII", data, table_offset + i * entry_size) for i in range(entries)]
    names: set[str] = set()
    for _, kind, _, _, offset, size, link, _ in headers:
        if kind != 2:  # SHT_SYMTAB
            continue
        strings = headers[link][4]
        for at in range(offset + 24, offset + size, 24):
            name, _, _, section = struct.unpack_from("<IBBH", data, at)
            if section == 0:
                names.add(data[strings + name : data.index(b"\0", strings + name)].decode())
    return names


@pytest.mark.parametrize("name", [n for n in UNARY if n in REFERENCES])
def test_error_is_within_the_stated_bound(name: str) -> None:
    x = stratified()
    low, high = FUNCTIONS[name].domain
    x = x[((x >= low) & (x <= high)) | ~np.isfinite(x)]
    error = ulp_error(evaluate(name, x), exact(name, x))
    worst = int(np.argmax(error))
    assert error[worst] <= FUNCTIONS[name].max_ulp, f"{name}({x[worst]!r}) is off by {error[worst]} ULP"


def test_measure_of_error_sees_one_unit_and_mismatched_infinities() -> None:
    got = np.array([np.nextafter(np.float32(1), np.float32(2)), 0.5, INF, 1.0, NAN, 2.0**-149], np.float32)
    wanted = np.array([1.0, 0.5, 1e39, NAN, NAN, 2.0**-148])
    assert ulp_error(got, wanted).tolist() == [1.0, 0.0, 0.0, INF, 0.0, 1.0]


@pytest.mark.parametrize("name", POLYNOMIAL)
def test_zeros_infinities_and_nan_are_those_of_the_reference(name: str) -> None:
    x = np.array([NAN, 0.0, -0.0, INF, -INF, 1.0, -1.0], np.float32)
    got, wanted = evaluate(name, x), exact(name, x).astype(np.float32)
    special = (wanted == 0) | ~np.isfinite(wanted)
    np.testing.assert_array_equal(got[special], wanted[special])
    number = special & ~np.isnan(wanted)
    np.testing.assert_array_equal(np.signbit(got[number]), np.signbit(wanted[number]))


@pytest.mark.parametrize("name", ["math.tanh", "math.erf", "math.sin", "math.cos", "sigmoid"])
def test_bounded_functions_stay_in_their_range_for_any_number(name: str) -> None:
    x = stratified()
    got = evaluate(name, x[np.isfinite(x)])
    assert np.abs(got).max() <= 1.0
    assert not np.isnan(got).any()


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_scalar_and_all_widths_give_the_same_bits(name: str) -> None:
    arity = FUNCTIONS[name].arity
    rng = np.random.default_rng(4)
    parts = [np.concatenate([SPECIAL, rng.standard_normal(CHUNK - len(SPECIAL)).astype(np.float32) * 8])]
    parts += [rng.permutation(parts[0]) for _ in range(arity - 1)]
    wide = evaluate(name, *parts)
    assert np.isfinite(wide).any()
    for lanes in (0, 8):
        narrow = evaluate(name, *parts, lanes=lanes)
        both_nan = np.isnan(wide) & np.isnan(narrow)
        np.testing.assert_array_equal(narrow.view(np.uint32)[~both_nan], wide.view(np.uint32)[~both_nan])


@pytest.mark.parametrize("lanes", [0, 8, 16])
@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_object_calls_nothing(name: str, lanes: int) -> None:
    assert undefined_symbols(compiled(name, lanes)[0]) == set()


def test_check_for_calls_sees_a_call() -> None:
    body = "func.func @f(%x: f32) -> f32 {\n%y = call @away(%x) : (f32) -> f32\nreturn %y : f32\n}"
    text = f"func.func private @away(f32) -> f32\n{body}"
    assert undefined_symbols(compile_object(text).data) == {"away"}


def test_powf_is_within_the_stated_bound() -> None:
    rng = np.random.default_rng(5)
    count = 1 << 18
    x = np.exp(rng.uniform(-103, 88.7, count)).astype(np.float32)
    x[::3] = rng.uniform(0.5, 2.0, len(x[::3]))
    with np.errstate(divide="ignore"):
        y = (rng.uniform(-110, 95, count) / np.log(x.astype(np.float64))).astype(np.float32)
    error = ulp_error(evaluate("math.powf", x, y), exact("math.powf", x, y))
    worst = int(np.argmax(error))
    assert error[worst] <= FUNCTIONS["math.powf"].max_ulp, f"{x[worst]!r} ** {y[worst]!r}: {error[worst]} ULP"


def test_powf_special_cases_are_those_of_c99() -> None:
    values = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, -3.0, 1.5, -1.5, INF, -INF, NAN, 1e-45, -1e-45]
    values += [3e38, -3e38, 16777215.0, 16777216.0, -8388607.5]
    x, y = (m.ravel().astype(np.float32) for m in np.meshgrid(values, values))
    got, wanted = evaluate("math.powf", x, y), exact("math.powf", x, y)
    assert ulp_error(got, wanted).max() <= FUNCTIONS["math.powf"].max_ulp
    number = ~np.isnan(wanted)
    np.testing.assert_array_equal(np.signbit(got[number]), np.signbit(wanted[number]))


def test_constants_are_exact_for_each_type() -> None:
    assert constant_text(0.1, "f32") == "arith.constant 0x3DCCCCCD : f32"
    assert constant_text(-INF, "vector<8xf32>") == "arith.constant dense<0xFF800000> : vector<8xf32>"
    assert constant_text(0.5, "vector<4xf64>") == "arith.constant dense<0x3FE0000000000000> : vector<4xf64>"
    assert constant_text(-3, "vector<2x8xi32>") == "arith.constant dense<-3> : vector<2x8xi32>"
    with pytest.raises(UnsupportedError, match="bf16"):
        constant_text(1.0, "vector<8xbf16>")


def test_vectors_of_more_than_one_dimension_are_accepted() -> None:
    emitter = TextEmitter()
    result = lower_math("math.tanh", emitter, ["%x"], "vector<4x16xf32>")
    body = "\n".join([*emitter.constants, *emitter.body])
    text = f"func.func @f(%x: vector<4x16xf32>) -> vector<4x16xf32> {{\n{body}\nreturn {result} : vector<4x16xf32>\n}}"
    assert undefined_symbols(compile_object(text).data) == set()


def test_misuse_is_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"math\.exq.*math\.exp"):
        lower_math("math.exq", TextEmitter(), ["%x"], "f32")
    with pytest.raises(UsageError, match="2 operand"):
        lower_math("math.powf", TextEmitter(), ["%x"], "f32")
    with pytest.raises(UnsupportedError, match="vector<8xf16>"):
        lower_math("math.exp", TextEmitter(), ["%x"], "vector<8xf16>")
    with pytest.raises(UsageError, match="multiple"):
        elementwise_module("math.exp", lanes=16, count=20)
