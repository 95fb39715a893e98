"""Speed of tokens from text on one core: `python benchmarks/tokens.py [--seconds S]`.

The corpus is that of `tokens_vocabulary.py` with other sizes: every operator family, MLIR in generic form at five
levels, LLVM IR before and after optimisation for three architectures. The best of several runs counts, in seconds of
processor time.

What is counted: `tokens_per_s` are tokens that the scheme produces (one word of its vocabulary each; `ops` gives one an
operation, whatever its length), `lexemes_per_s` are lexemes of the source text gone through (names, numbers, strings,
words and punctuation, white space and comments left out), the same for every scheme, and `operations_per_s` are
operations or instructions.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable

import numpy as np
from _common import ROOT, Json, header, write
from tokens_vocabulary import levels

from costmodel import ir
from costmodel.datasets.linalg import FAMILIES, draw_sizes
from costmodel.ir.tokens.lexemes import tokenize_lexemes
from costmodel.ir.tokens.names import Names
from costmodel.ir.tokens.source import tokenize_source

SEED = 1
MLIR_LEVELS = 5
FORMATS = ("mlir", "llvm")
SCHEMES = ("ops", "ops-operands", "anonymized", "bpe")
_LEXEME = re.compile(
    r"//[^\n]*+|;[^\n]*+|(\"(?:[^\"\\\n]++|\\.)*+\"|[%^@#!][\w$.\-]++|0x[0-9A-Fa-f]++|\d++(?:\.\d*+)?(?:[eE][+-]?\d+)?"
    r"|[A-Za-z_][\w$.]*+|->|[^\s])"
)


def corpus() -> dict[str, list[str]]:
    """Texts by format."""
    rng = np.random.default_rng(SEED)
    texts: dict[str, list[str]] = {name: [] for name in FORMATS}
    for name, family in FAMILIES.items():
        for number, text in enumerate(levels(family.text(draw_sizes(name, rng)))):
            texts["mlir" if number < MLIR_LEVELS else "llvm"].append(text)
    return texts


def best_s(call: Callable[[], object], budget_s: float) -> float:
    """Least processor time of one call."""
    found, end = float("inf"), time.perf_counter() + budget_s
    while True:
        start = time.process_time()
        call()
        found = min(found, time.process_time() - start)
        if time.perf_counter() > end:
            return found


def measure(texts: list[str], name: str, scheme: str, budget_s: float) -> Json:
    """Tokens and operations a second, and whether the tokens are those of the tree."""
    call = lambda: [tokenize_source(text, scheme, format=name) for text in texts]  # noqa: E731
    found = [tokens for functions in call() for _, tokens in functions]
    functions = [function for text in texts for function in ir.read(text, format=name).functions]
    seconds = best_s(call, budget_s)
    tokens, operations = sum(map(len, found)), sum(function.ops for function in functions)
    return {
        "tokens": tokens,
        "operations": operations,
        "text_bytes": sum(map(len, texts)),
        "seconds": seconds,
        "tokens_per_s": tokens / seconds,
        "lexemes_per_s": sum(map(lexemes, texts)) / seconds,
        "operations_per_s": operations / seconds,
        "equal_to_tree": found == [function.tokens(scheme) for function in functions],
    }


def lexemes(text: str) -> int:
    """Lexemes of a source text, comments left out."""
    return sum(1 for lexeme in _LEXEME.findall(text) if lexeme)


def lexed(texts: list[str], budget_s: float) -> Json:
    """The lexer of last resort on the same text."""
    call = lambda: [tokenize_lexemes(text, "anonymized", Names(None)) for text in texts]  # noqa: E731
    seconds, tokens = best_s(call, budget_s), sum(map(len, call()))
    return {"tokens": tokens, "seconds": seconds, "tokens_per_s": tokens / seconds}


def main() -> None:
    """Measure and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="for each figure")
    budget_s = parser.parse_args().seconds
    texts = corpus()
    result = header("tokens", [SEED], "llvmlite")
    result["figures"] = {
        f"{name} {scheme}": measure(texts[name], name, scheme, budget_s) for name in FORMATS for scheme in SCHEMES
    }
    result["figures"]["mlir lexed"] = lexed(texts["mlir"], budget_s)
    write(ROOT / "benchmarks" / "results" / "tokens.json", result)
    for name, figure in result["figures"].items():
        print(name, {key: round(value, 4) for key, value in figure.items()})


if __name__ == "__main__":
    main()
