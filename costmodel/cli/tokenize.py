"""`costmodel tokenize FILE`: a program as tokens, or as their numbers in a vocabulary.

Owns what is printed: one line for each function on standard output, the share of unknown tokens on standard error.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from costmodel.cli.inspect import add_source, read_source
from costmodel.core.errors import UsageError
from costmodel.ir.tokens import SCHEMES
from costmodel.ir.tokens.reduction import MIN_TOKENS
from costmodel.ir.tokens.sequence import sequence
from costmodel.ir.tokens.vocabulary import Vocabulary, shipped

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]


def add_parser(subparsers: Subparsers) -> None:
    """Describe the command's arguments."""
    parser = subparsers.add_parser("tokenize", help="print a program as tokens or as their numbers")
    add_source(parser)
    parser.add_argument("--scheme", choices=SCHEMES, help="default: the vocabulary's, else anonymized")
    parser.add_argument("--vocab", type=Path, metavar="V.json", help="print numbers in this vocabulary")
    parser.add_argument("--ids", action="store_true", help="print numbers, in the shipped vocabulary unless --vocab")
    parser.add_argument("--seed", type=int, metavar="K", help="draw random numbers for names (default: canonical)")
    parser.add_argument(
        "--max-tokens", type=int, metavar="N", help=f"reduce each function to at most N tokens (at least {MIN_TOKENS})"
    )


def run(args: argparse.Namespace) -> int:
    """Print the tokens; raises what reading raises."""
    if args.seed is not None and args.seed < 0:
        raise UsageError(f"--seed is {args.seed}; give a number of at least 0")
    if args.max_tokens is not None and args.max_tokens < MIN_TOKENS:
        raise UsageError(f"--max-tokens is {args.max_tokens}; give at least {MIN_TOKENS}")
    vocabulary = _vocabulary(args.vocab, args.scheme)
    program = read_source(args)
    total = unknown = 0
    for function in program.functions:
        tokens = sequence(function, vocabulary, seed=args.seed, max_tokens=args.max_tokens)
        encoding = vocabulary.encode(tokens)
        total += len(tokens)
        unknown += encoding.unknown
        print(" ".join(map(str, encoding.ids) if args.ids or args.vocab else tokens))
    for diagnostic in program.diagnostics:
        print(f"costmodel: {diagnostic}", file=sys.stderr)
    name = args.vocab or "the shipped vocabulary"
    share = unknown / total if total else 0.0
    print(f"costmodel: {total} tokens, {unknown} of them ({share:.2%}) out of {name}", file=sys.stderr)
    return 0


def _vocabulary(path: Path | None, scheme: str | None) -> Vocabulary:
    return shipped(scheme or "anonymized") if path is None else Vocabulary.load(path, scheme=scheme)
