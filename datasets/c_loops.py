# ruff: noqa: E501, D102, D103 - texts of C, one function a family
"""Loop kernels in C, drawn by a seed: what unroll factors are learned on, measured; rows of data sets.

Each kernel is one function with one loop over the arrays of `c_loops.h`. Families are kinds of loops as real code has
them: element-wise expressions, stencils, reductions, recurrences, searches, tables and indices, conditions, hashes,
bytes, small inner loops, calls. Invariant: equal seeds give equal texts; no kernel reads or writes outside the arrays,
whatever n up to 2000.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from numpy.random import Generator, default_rng

TYPES = {"f": "float", "d": "double", "i": "int32_t", "l": "int64_t", "s": "int16_t", "c": "uint8_t"}
FLOATS = ("f", "d")
PRAGMA = '_Pragma("clang loop vectorize(disable) interleave(disable)") '


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """A function's name, family and text."""

    name: str
    family: str
    text: str

    @property
    def template(self) -> str:
        """The text without its numbers: kernels that differ in constants alone are one program."""
        return re.sub(r"\d+(?:\.\d+f?)?", "N", self.text.partition("{")[2])


class Draw:
    """Random parts of kernels."""

    def __init__(self, rng: Generator, *, vectors: bool = False) -> None:
        self.rng = rng
        self.vectors = vectors
        """Whether LLVM may vectorise every loop; else half of them say that it may not."""

    def one(self, *choices: str) -> str:
        return choices[int(self.rng.integers(len(choices)))]

    def number(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def pragma(self, p: float) -> str:
        return PRAGMA if self.chance(p) and not self.vectors else ""

    def type(self, weights: str = "ffddiilsc") -> str:
        return self.one(*weights)

    def constant(self, t: str) -> str:
        if t in FLOATS:
            return f"{self.rng.random() * 0.9 + 0.05:.3f}{'f' if t == 'f' else ''}"
        return str(self.number(1, 200))

    def expression(self, t: str, leaves: list[str], size: int) -> str:
        """An expression of so many operators."""
        if size == 0:
            return self.one(*leaves) if self.chance(0.8) else self.constant(t)
        left = self.number(0, size - 1)
        a, b = self.expression(t, leaves, left), self.expression(t, leaves, size - 1 - left)
        if t in FLOATS:
            op = self.one(
                "+",
                "+",
                "-",
                "*",
                "*",
                "*",
                "max",
                "sqrt" if self.chance(0.15) else "+",
                "/" if self.chance(0.15) else "*",
            )
            suffix = "f" if t == "f" else ""
            if op == "max":
                return f"({a} > {b} ? {a} : {b})"
            if op == "sqrt":
                return f"sqrt{suffix}(fabs{suffix}({a}) + {b} * {b})"
            return f"({a} {op} {b})"
        op = self.one("+", "+", "-", "*", "&", "|", "^", "<<", ">>", "max", "-")
        if op in ("<<", ">>"):
            return f"({a} {op} {self.number(1, 5)})"
        if op == "max":
            return f"({a} > {b} ? {a} : {b})"
        return f"({a} {op} {b})"


def _loop(d: Draw, body: str, *, begin: str = "0", end: str = "n", step: str = "++j") -> str:
    pragma = d.pragma(0.5)
    index = d.one("long", "int", "size_t")
    return f"{pragma}for ({index} j = {begin}; j < ({index}){end}; {step}) {{ {body} }}"


def _arrays(d: Draw, t: str, count: int) -> tuple[str, list[str]]:
    """Pointers to arrays, restricted or not, and their names; the first is for writing."""
    restrict = "restrict" if d.chance(0.6) else ""
    names = ["o", "x", "y", "z"][:count]
    text = " ".join(
        f"{'' if name == 'o' else 'const '}{TYPES[t]} *{restrict} {name} = at->{t}[{i if name != 'o' else 0}];"
        for i, name in enumerate(names)
    )
    return text, names[1:]


def elementwise(d: Draw) -> str:
    t = d.type()
    pointers, inputs = _arrays(d, t, d.number(2, 4))
    text = d.expression(t, [f"{name}[j]" for name in inputs], d.number(1, 9))
    return f"{pointers} {_loop(d, f'o[j] = ({TYPES[t]})({text});')} return (long)o[0];"


def update(d: Draw) -> str:
    t = d.type()
    pointers, inputs = _arrays(d, t, d.number(2, 3))
    text = d.expression(t, [f"{name}[j]" for name in inputs], d.number(0, 4))
    factor = "0.5f * " if t == "f" else "0.5 * " if t == "d" else ""
    return f"{pointers} {_loop(d, f'o[j] = ({TYPES[t]})({factor}o[j] + {text});')} return (long)o[0];"


def stencil(d: Draw) -> str:
    t = d.type("ffddis")
    pointers, inputs = _arrays(d, t, d.number(2, 3))
    radius = d.number(1, 4)
    leaves = [f"{name}[j + {k}]" for name in inputs for k in range(-radius, radius + 1)]
    kept = [leaves[i] for i in d.rng.permutation(len(leaves))[: d.number(2, 7)]]
    text = " + ".join(f"{d.constant(t)} * {leaf}" if d.chance(0.5) else leaf for leaf in kept)
    return f"{pointers} {_loop(d, f'o[j] = ({TYPES[t]})({text});', begin=str(radius))} return (long)o[1];"


def reduction(d: Draw) -> str:
    t = d.type("ffddiilc")
    wide = "int64_t" if t in "lc" and d.chance(0.5) else "int32_t" if t in "isc" else TYPES[t]
    pointers, inputs = _arrays(d, t, d.number(2, 3))
    text = d.expression(t, [f"{name}[j]" for name in inputs], d.number(0, 4))
    accumulators = d.number(1, 2)
    op = d.one("+=", "+=", "max") if t in FLOATS else d.one("+=", "+=", "^=", "|=", "max")
    body = f"{wide} v = {text}; " + " ".join(
        f"if (v > r{k}) r{k} = v;" if op == "max" else f"r{k} {op} v{'' if k == 0 else ' * v'};"
        for k in range(accumulators)
    )
    total = " + ".join(f"(long)r{k}" for k in range(accumulators))
    start = " ".join(f"{wide} r{k} = 0;" for k in range(accumulators))
    return f"{pointers} {start} {_loop(d, body)} return {total};"


def recurrence(d: Draw) -> str:
    t = d.type("ffddil")
    pointers, inputs = _arrays(d, t, d.number(2, 3))
    text = d.expression(t, [f"{name}[j]" for name in inputs], d.number(0, 4))
    shrink = "0.5f" if t == "f" else "0.5" if t == "d" else "3"
    if d.chance(0.5):
        lag = d.number(1, 3)
        body = f"o[j] = ({TYPES[t]})(o[j - {lag}] * {shrink} + {text});"
        return f"{pointers} {_loop(d, body, begin=str(lag))} return (long)o[n - 1];"
    store = "o[j] = r;" if d.chance(0.5) else ""
    return (
        f"{pointers} {TYPES[t]} r = 0; {_loop(d, f'r = ({TYPES[t]})(r * {shrink} + {text}); {store}')} return (long)r;"
    )


def scan(d: Draw) -> str:
    t = d.type("ffdiil")
    pointers, _ = _arrays(d, t, 2)
    op = d.one("r += x[j];", "r = r > x[j] ? r : x[j];") if t in FLOATS else d.one("r += x[j];", "r ^= x[j];")
    return f"{pointers} {TYPES[t]} r = 0; {_loop(d, f'{op} o[j] = r;')} return (long)r;"


def condition(d: Draw) -> str:
    t = d.type("ffdiic")
    pointers, inputs = _arrays(d, t, d.number(2, 3))
    middle = "0.5" if t in FLOATS else "125" if t == "c" else "512"
    rare = d.one(middle, middle, "0.98" if t in FLOATS else "248" if t == "c" else "1005")
    test = f"{inputs[0]}[j] > {rare}"
    work = d.expression(t, [f"{name}[j]" for name in inputs], d.number(1, 5))
    body = d.one(
        f"if ({test}) o[m++] = {inputs[0]}[j];", f"if ({test}) m += 1;", f"if ({test}) o[j] = ({TYPES[t]})({work});",
        f"if ({test}) m += (long){inputs[0]}[j]; else m ^= j;", f"o[j] = {test} ? ({TYPES[t]})({work}) : {inputs[-1]}[j];",
        f"if ({test}) {{ o[m] = ({TYPES[t]})({work}); m = m + 1; }} else if (j & 4) m -= m > 0;",
    )  # fmt: skip
    return f"{pointers} long m = 0; {_loop(d, body)} return m + (long)o[0];"


def search(d: Draw) -> str:
    t = d.type("ccsiilf")
    never = "2.0f" if t == "f" else "255" if t == "c" else "5000"
    two = d.one(
        f"while (j < n && x[j] != {never}) ++j;", f"while (j < n) {{ if (x[j] == {never}) break; ++j; }}",
        "while (j < n && x[j] == o[j]) ++j;", f"for (; j < n; ++j) if (x[j] > {never}) return j;",
        f"for (; j < n; ++j) {{ if (x[j] == {never}) return j; m += x[j] & 1; }}" if t != "f" else "for (; j < n; ++j) { if (x[j] > 2.0f) break; m += 1; }",
        f"do {{ ++j; }} while (x[j] != {never} && j < n);",
    )  # fmt: skip
    source = "at->" + t + "[0]"
    other = source if "== o[j]" in two else f"at->{t}[1]"
    return f"const {TYPES[t]} *o = {source}, *x = {other}; long j = 0, m = 0; {two} return j + m;"


def indexed(d: Draw) -> str:
    t = d.type("ffddil")
    body = d.one(
        f"r += x[p[j]{d.one('', ' & 511')}];", "o[p[j]] = x[j];", "o[p[j]] += x[j];", "o[j] = x[p[j]];",
        "o[j] = x[p[j]] + x[p[j + 1]];", "r += x[p[j]] * y[j];", "r += x[p[p[j]]];",
    )  # fmt: skip
    restrict = d.one("restrict", "")
    pointers = f"{TYPES[t]} *{restrict} o = at->{t}[0]; const {TYPES[t]} *{restrict} x = at->{t}[1], *{restrict} y = at->{t}[2];"
    return f"{pointers} const int32_t *{restrict} p = at->i[3]; {TYPES[t]} r = 0; {_loop(d, body)} return (long)r + (long)o[0];"


def chase(d: Draw) -> str:
    body = d.one(
        "p = next[p];", "p = next[p]; m += p;", "m ^= x[p]; p = next[p];", "p = next[(p + m) & 1023]; m = p & 3;"
    )
    return f"const int32_t *next = at->i[3], *x = at->i[1]; int32_t p = 0; long m = 0; {_loop(d, body)} return p + m;"


def table(d: Draw) -> str:
    body = d.one(
        "++h[x[j]];", "h[x[j]] += j;", "o[j] = (uint8_t)h[x[j]];", "m += h[x[j]];", "m = (uint32_t)h[(m ^ x[j]) & 255] ^ (m >> 8);",
        "m = h[m & 255] + x[j];",
    )  # fmt: skip
    pointers = "uint8_t *restrict o = at->c[0]; const uint8_t *restrict x = at->c[1]; int32_t *restrict h = at->i[0];"
    return f"{pointers} long m = 0; {_loop(d, body)} return m + o[0] + h[7];"


def hashing(d: Draw) -> str:
    t, h = d.type("ccil"), d.one("uint32_t", "uint64_t")
    prime = d.one("16777619u", "1099511628211u", "2654435761u", "31u", "33u")
    body = d.one(
        f"h = (h ^ x[j]) * {prime};", f"h = h * {prime} + x[j];", f"h ^= x[j] + {prime} + (h << 6) + (h >> 2);",
        f"h = ((h << {d.number(3, 13)}) | (h >> {d.number(15, 29)})) ^ x[j];", f"h ^= x[j]; h = (h >> 1) ^ ({prime} & -(h & 1));",
        f"h += x[j]; h *= {prime}; h ^= h >> {d.number(7, 16)};", f"h += (x[j] ^ k) * {prime}; k += h;", "h += x[j]; k += h;",
    )  # fmt: skip
    return f"const {TYPES[t]} *x = at->{t}[1]; {h} h = 5381, k = 1; {_loop(d, body)} return (long)(h ^ k);"


def byte_work(d: Draw) -> str:
    body = d.one(
        "o[j] = x[j] >= 'A' && x[j] <= 'Z' ? x[j] + 32 : x[j];", "m += (x[j] & 0xC0) != 0x80;", "m = m * 10 + (x[j] & 15);",
        "m += x[j] == '\\n';", "o[j] = (uint8_t)((77 * x[3 * (j & 511)] + 151 * x[3 * (j & 511) + 1] + 28 * x[3 * (j & 511) + 2]) >> 8);",
        "int v = x[j] + y[j]; o[j] = v > 255 ? 255 : (uint8_t)v;", "int v = x[j] - y[j]; m += v < 0 ? -v : v;",
        "o[j] = (uint8_t)((x[j] * y[j] + 127) / 255);", "o[j] = x[n - 1 - j];", "w[j] = x[j] << 4 | y[j] >> 4;",
        "o[2 * (j & 1023)] = x[j] >> 4; o[2 * (j & 1023) + 1] = x[j] & 15;", "m += __builtin_popcount(x[j] ^ y[j]);",
        "m = x[j] & 128 ? m << 7 | (x[j] & 127) : m + x[j];", "m ^= (uint64_t)x[j] << (8 * (j & 7));",
    )  # fmt: skip
    pointers = "uint8_t *restrict o = at->c[0]; const uint8_t *restrict x = at->c[1], *restrict y = at->c[2]; int16_t *restrict w = at->s[0];"
    return f"{pointers} uint64_t m = 0; {_loop(d, body)} return (long)m + o[0] + w[0];"


def strided(d: Draw) -> str:
    t, step = d.type("ffddilc"), d.number(2, 5)
    pointers, inputs = _arrays(d, t, d.number(2, 3))
    leaves = [f"{name}[j * {step} + {d.number(0, step - 1)}]" for name in inputs]
    text = d.expression(t, leaves, d.number(0, 4))
    divided = f"(n / {step})"
    if d.chance(0.5):
        return f"{pointers} {_loop(d, f'o[j] = ({TYPES[t]})({text});', end=divided)} return (long)o[0];"
    return f"{pointers} {TYPES[t]} r = 0; {_loop(d, f'r += ({TYPES[t]})({text});', end=divided)} return (long)r;"


def reverse(d: Draw) -> str:
    t = d.type()
    pointers, inputs = _arrays(d, t, d.number(2, 3))
    text = d.expression(t, [f"{name}[n - 1 - j]" for name in inputs], d.number(0, 4))
    return f"{pointers} {_loop(d, f'o[j] = ({TYPES[t]})({text});')} return (long)o[0];"


def inner(d: Draw) -> str:
    t = d.type("ffddil")
    trips, rows = d.number(3, 70), d.one("n / 16", "n / 32", "n / 8")
    pointers, inputs = _arrays(d, t, d.number(2, 3))
    text = d.expression(t, [f"{name}[(i & 15) * {trips} + j]" for name in inputs], d.number(0, 3))
    trips_text = str(trips) if d.chance(0.6) else f"(n & 63) / {d.number(1, 4)} + 3"
    pragma = d.pragma(0.6)
    body = f"r += ({TYPES[t]})({text});" if d.chance(0.6) else f"o[j] += ({TYPES[t]})({text});"
    outer = f"for (long i = 0; i < {rows}; ++i) {{ {TYPES[t]} r = 0; {pragma} for (int j = 0; j < {trips_text}; ++j) {{ {body} }} at->{t}[3][i] = r; }}"
    return f"{pointers} {outer} return (long)o[0];"


def dynamic(d: Draw) -> str:
    t = d.type("ffddil")
    pointers, _ = _arrays(d, t, 3)
    a, b = d.expression(t, ["p0", "p1", "x[j]"], d.number(1, 4)), d.expression(t, ["p0", "p1", "y[j]"], d.number(1, 3))
    small = "0.25f * " if t == "f" else "0.25 * " if t == "d" else ""
    body = f"{TYPES[t]} v = ({TYPES[t]})({small}({a})), w = ({TYPES[t]})({small}({b})); p0 = {d.one('p1', 'v', 'w')}; p1 = {d.one('v', 'w', 'v > w ? v : w')}; {d.one('', 'o[j] = p1;')}"
    return f"{pointers} {TYPES[t]} p0 = 0, p1 = 1; {_loop(d, body)} return (long)(p0 + p1);"


def uncountable(d: Draw) -> str:
    """Loops whose trips nobody can tell before: what moves them is read, halved or searched."""
    step = d.one(
        "i += 1 + (b[i] & {m});", "i += b[i] < {k} ? 1 : {s};", "i += b[i] < {k} ? 1 : b[i] < {l} ? 2 : 3;", "i += (b[i] >> {r}) + 1;",
        "i = p[i & 1023] > {k} ? i + 1 : i + 2;", "i += 1 + __builtin_popcount(b[i] & {m});",
    )  # fmt: skip
    text = step.format(
        m=d.one("1", "3", "7"), k=d.number(40, 200), l=d.number(200, 250), s=d.number(2, 4), r=d.number(5, 7)
    )
    work = d.one(
        "m++;", "m += b[i];", "m ^= b[i];", "m = m * 31 + b[i];", "o[m & 1023] = b[i]; m++;", "if (b[i] & 8) m++;"
    )
    halving = d.one(
        "for (long w = n / 2; w > 0; w /= 2) if (x[m + w] < {k}) m += w;", "for (long w = n; w > 1; w = w & 1 ? 3 * w + 1 : w >> 1) m++;",
        "for (uint64_t w = (uint64_t)n * 2654435761u; w; w >>= {r}) m += w & 15;", "for (uint64_t w = (uint64_t)n * 40503u; w; w &= w - 1) m++;",
        "for (long w = n * 977; w > 0; w /= 10) m += w % 10;", "for (long u = n * 35, w = 55440; w;) {{ long t = u % w; u = w; w = t; m += u; }}",
    ).format(k=d.number(100, 900), r=d.number(1, 5))  # fmt: skip
    loop = halving if d.chance(0.3) else f"for (long i = 0; i < n;) {{ {work} {text} }}"
    pointers = "const uint8_t *restrict b = at->c[1]; uint8_t *restrict o = at->c[0]; const int32_t *p = at->i[3], *x = at->i[1];"
    return f"{pointers} long m = 0; {loop} return m + o[0] + p[0] + x[0];"


def mixed_index(d: Draw) -> str:
    """A narrow counter against a wide bound: it may wrap, so the trips cannot be told."""
    t = d.type("ffddilcs")
    pointers, inputs = _arrays(d, t, d.number(2, 3))
    work = d.expression(t, [f"{name}[j]" for name in inputs], d.number(0, 6))
    body = d.one(
        f"o[j] = ({TYPES[t]})({work});", f"r += ({TYPES[t]})({work});", f"if ({inputs[0]}[j] > {d.constant(t)}) r += 1;"
    )
    index = d.one("unsigned", "int", "unsigned short")
    bound = "(size_t)n" if index != "int" else "n"
    return (
        f"{pointers} {TYPES[t]} r = 0; for ({index} j = 0; j < {bound}; ++j) {{ {body} }} return (long)r + (long)o[0];"
    )


def lagged(d: Draw) -> str:
    """What was written some iterations before is read again."""
    t, lag = d.type("ccssiil"), d.number(1, 9)
    pointers, _ = _arrays(d, t, 2)
    body = d.one(
        "o[j] = o[j - {k}] ^ x[j];",
        "o[j] = o[j - {k}] + x[j];",
        "o[j] = o[j - {k}];",
        "o[j] = (o[j - {k}] + o[j - {h}]) >> 1;",
    )
    return f"{pointers} {_loop(d, body.format(k=lag, h=lag + d.number(1, 3)), begin='12')} return (long)o[n - 1];"


def windows(d: Draw) -> str:
    """A short inner loop of known trips around which the outer one goes, and pixels of several bytes."""
    t, k = d.type("ffdci"), d.number(2, 12)
    pointers, _ = _arrays(d, t, 3)
    wide = "int" if t in "ci" else TYPES[t]
    if d.chance(0.5):
        body = f"{wide} s = 0; for (int k = 0; k < {k}; k++) s += x[j + k] * y[k]; o[j] = ({TYPES[t]})s;"
        return f"{pointers} {_loop(d, body)} return (long)o[0];"
    parts = " + ".join(f"{d.constant(t)} * x[{k} * j + {i}]" for i in range(min(k, 4)))
    shift = f" >> {d.number(1, 8)}" if t in "ci" else ""
    return f"{pointers} {_loop(d, f'o[j] = ({TYPES[t]})(({parts}){shift});', end=f'n / {k}')} return (long)o[0];"


FAMILIES: dict[str, Callable[[Draw], str]] = {
    family.__name__: family
    for family in (
        elementwise, update, stencil, reduction, recurrence, scan, condition, search, indexed, chase, table, hashing, byte_work,
        strided, reverse, inner, dynamic,
    )
}  # fmt: skip


MORE: dict[str, Callable[[Draw], str]] = {
    family.__name__: family for family in (uncountable, mixed_index, lagged, windows)
}
SETS = {"common": FAMILIES, "more": MORE}
ALL = FAMILIES | MORE


def kernels(count: int, seed: int, families: str = "common") -> list[Kernel]:
    """So many of a set of families, in turn."""
    found = []
    chosen = SETS[families]
    names = list(chosen)
    for i in range(count):
        family = names[i % len(names)]
        text = chosen[family](Draw(default_rng((seed, i))))
        found.append(
            Kernel(name=f"k{i}", family=family, text=f"long k{i}(struct arrays *restrict at, long n) {{ {text} }}\n")
        )
    return found
