"""A process that speaks an advisor channel as LLVM 22 does: opens BASE.in, then BASE.out, asks, reads answers.

Usage: fake_compiler.py PLAN, a JSON object. Prints the answers as JSON. Needs only the standard library.
"""

import json
import os
import signal
import struct
import sys
import time

INLINER = ["cost_estimate", "threshold", "callee_users", "inlining_default"]
MASKED = 33


def tensor(name, kind="int64_t", shape=(1,)):
    return {"name": name, "type": kind, "port": 0, "shape": list(shape)}


HEADERS = {
    "inliner": {"features": [tensor(name) for name in INLINER], "advice": tensor("inlining_decision")},
    "regalloc-evict": {
        "features": [
            tensor("mask", shape=(1, MASKED)),
            tensor("is_hint", shape=(1, MASKED)),
            tensor("max_stage", shape=(1, MASKED)),
            tensor("nr_broken_hints", "float", (1, MASKED)),
            tensor("use_def_density", "float", (1, MASKED)),
        ],
        "advice": tensor("index_to_evict"),
    },
    "regalloc-priority": {
        "features": [tensor("li_size"), tensor("stage"), tensor("weight", "float")],
        "advice": tensor("priority", "float"),
    },
}
CODES = {"int64_t": "q", "float": "f"}


def pack(header, values):
    """Values by feature name, as bytes; zeros where there are none."""
    parts = []
    for feature in header["features"]:
        count = 1
        for length in feature["shape"]:
            count *= length
        given = values.get(feature["name"], [])
        numbers = list(given) + [0] * (count - len(given))
        parts.append(struct.pack(f"<{count}{CODES[feature['type']]}", *numbers))
    return b"".join(parts)


def read_answer(inbound, code):
    """As LLVM reads: a channel that closes here would be read for ever, so say so instead."""
    size, got = struct.calcsize(code), b""
    while len(got) < size:
        chunk = os.read(inbound, size - len(got))
        if not chunk:
            return None
        got += chunk
    return struct.unpack(f"<{code}", got)[0]


def main():
    plan = json.loads(sys.argv[1])
    header = plan.get("header") or HEADERS[plan["advisor"]]
    inbound = os.open(plan["base"] + ".in", os.O_RDONLY)
    outbound = os.open(plan["base"] + ".out", os.O_WRONLY)
    first = plan.get("first_line")
    os.write(outbound, (json.dumps(header) if first is None else first).encode() + b"\n")
    code = CODES[header["advice"]["type"]]
    answers = []
    for context, questions in plan.get("contexts", []):
        os.write(outbound, json.dumps({"context": context}).encode() + b"\n")
        for number, values in enumerate(questions):
            message = json.dumps({"observation": number}).encode() + b"\n" + pack(header, values) + b"\n"
            if plan.get("die_at") == len(answers):
                os.write(outbound, message[: len(message) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            if plan.get("garble_at") == len(answers):
                message = message[:-1] + b"?" + message[-1:]
            os.write(outbound, message)
            answers.append(read_answer(inbound, code))
            if answers[-1] is None:
                print(json.dumps(answers))
                return 3
            time.sleep(plan.get("pause_s", 0))
    if plan.get("outcome"):
        os.write(outbound, b'{"outcome":0}\n' + struct.pack("<f", 1.5) + b"\n")
    time.sleep(plan.get("linger_s", 0))
    print(json.dumps(answers))
    return 0


if __name__ == "__main__":
    sys.exit(main())
