"""`costmodel serve`: answers LLVM's advisor channels, or batches of IR over a local socket, until told to end.

Owns arguments and the summary on standard output. Serving is `costmodel.serve`'s.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from costmodel.core.errors import UsageError
from costmodel.core.schema import CONTRACTS_VERSION
from costmodel.serve.advisors import ADVISORS, get_advisor
from costmodel.serve.connection import Interrupted
from costmodel.serve.interrupts import Interrupt
from costmodel.serve.policies import POLICIES
from costmodel.serve.session import ChannelOptions, Served, serve_channel

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

INTERRUPTED = 130
DEFAULT_POLICY = "default"
TOTALS = ("queries", "answers", "fallbacks", "contexts")


def add_parser(subparsers: Subparsers) -> None:
    """Describe the command's arguments."""
    parser = subparsers.add_parser(
        "serve",
        help="answer a compiler's questions, or batches of IR over a local socket",
        epilog="policies: " + "; ".join(f"{name}: {', '.join(POLICIES[name])}" for name in ADVISORS),
    )
    parser.add_argument("advisor", nargs="?", metavar="ADVISOR", help="one of LLVM's: " + ", ".join(ADVISORS))
    parser.add_argument("--channel", metavar="BASE", help="the channel's base: BASE.in and BASE.out are made as FIFOs")
    parser.add_argument("--policy", metavar="NAME", help=f"who answers (default: {DEFAULT_POLICY})")
    parser.add_argument("--compilers", metavar="N", type=int, help="serve so many in turn; 0: any number (default: 1)")
    parser.add_argument("--wait-s", metavar="S", type=float, help="for a compiler to come (default: 300)")
    parser.add_argument(
        "--idle-s", metavar="S", type=float, help="for the other side to say something (default: 300; socket: 30)"
    )
    parser.add_argument("--socket", metavar="PATH", help="instead of a channel: answer batches of IR at a Unix socket")
    parser.add_argument("--model", metavar="NAME|PATH", help="socket: see `costmodel models` (default: default)")
    parser.add_argument(
        "--max-request-bytes", metavar="N", type=int, help="socket: largest request (default: 16777216)"
    )
    parser.add_argument("--max-connections", metavar="N", type=int, help="socket: at the same time (default: 16)")


def run(args: argparse.Namespace) -> int:
    """Serve until the compiler has ended or somebody interrupts; print a summary.

    Raises:
        UsageError: both doors or none are asked for, or an option of the other one.
        CostModelError: what stopped the server.
    """
    if args.socket is not None:
        _refuse(args, ("advisor", "channel", "policy", "compilers", "wait_s"), "--socket")
        return _socket(args)
    if args.advisor is None or args.channel is None:
        raise UsageError(
            f"give an advisor ({', '.join(ADVISORS)}) and --channel BASE, or --socket PATH; "
            "see `costmodel serve --help`"
        )
    _refuse(args, ("model", "max_request_bytes", "max_connections"), "--channel")
    return _channel(args)


def _refuse(args: argparse.Namespace, names: tuple[str, ...], beside: str) -> None:
    for name in names:
        if getattr(args, name) is not None:
            option = "an advisor" if name == "advisor" else "--" + name.replace("_", "-")
            raise UsageError(f"{option} makes no sense with {beside}; leave one out")


def _positive(value: float | None, default: float, option: str) -> float:
    if value is None:
        return default
    if not 0 < value < 1e9:
        raise UsageError(f"{option} is {value:g}, expected a number above 0")
    return value


def _channel(args: argparse.Namespace) -> int:
    advisor = get_advisor(args.advisor)
    policy = POLICIES[advisor.name].get(args.policy or DEFAULT_POLICY)()
    compilers = 1 if args.compilers is None else args.compilers
    if compilers < 0:
        raise UsageError(f"--compilers is {compilers}, expected 0 or more")
    options = ChannelOptions(
        base=Path(args.channel), compilers=compilers,
        wait_s=_positive(args.wait_s, 300.0, "--wait-s"), idle_s=_positive(args.idle_s, 300.0, "--idle-s"),
    )  # fmt: skip
    served = Served()
    with Interrupt() as interrupt:
        try:
            serve_channel(advisor, policy, options, interrupt, served)
        except Interrupted:
            return INTERRUPTED
        finally:
            if served.summaries:
                print(json.dumps(_document(advisor.name, policy.name, args.channel, served)), flush=True)
    return 0


def _document(advisor: str, policy: str, channel: str, served: Served) -> dict[str, object]:
    totals = {name: sum(getattr(summary, name) for summary in served.summaries) for name in TOTALS}
    return {
        "schema_version": CONTRACTS_VERSION,
        "advisor": advisor,
        "policy": policy,
        "channel": channel,
        **totals,
        "refused": len(served.refused),
        "complete": all(summary.complete for summary in served.summaries),
        "compilers": [summary.to_dict() for summary in served.summaries],
    }


def _socket(args: argparse.Namespace) -> int:
    from costmodel.models.predictor import DEFAULT_MODEL
    from costmodel.serve.local import LocalServer, SocketOptions
    from costmodel.serve.requests import Answerer

    given = {
        "idle_s": args.idle_s,
        "max_request_bytes": args.max_request_bytes,
        "max_connections": args.max_connections,
    }
    for name, value in given.items():
        _positive(value, 1, "--" + name.replace("_", "-"))
    options = SocketOptions(path=Path(args.socket), **{name: v for name, v in given.items() if v is not None})
    answerer = Answerer.load(args.model or DEFAULT_MODEL)
    with Interrupt() as interrupt:
        server = LocalServer(answerer, options, interrupt)
        try:
            server.run()
        finally:
            print(json.dumps(server.summary()), flush=True)
    return INTERRUPTED
