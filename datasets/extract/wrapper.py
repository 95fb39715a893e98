"""The compiler that a build is given: writes its command line down, then becomes the real compiler.

Run as a script with nothing but the standard library: `wrapper.py RECORDS NAME N REAL… ARGUMENTS…`, where N is the
number of words of REAL, and NAME what the record calls it (empty where the first argument is the compiler, as with
Cargo). Invariant: the build sees the real compiler's output and exit status; equal commands are one record.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys

KEPT = ("CARGO", "OUT_DIR", "RUSTC", "TARGET", "HOST")
"""Prefixes of environment variables that a Rust compilation depends on."""


def main() -> None:
    """Record and become the compiler."""
    records, shown, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    real, arguments = sys.argv[4 : 4 + count], sys.argv[4 + count :]
    kept = {name: value for name, value in sorted(os.environ.items()) if name.startswith(KEPT)}
    words = [shown, *arguments] if shown else arguments
    record = {"directory": os.getcwd(), "arguments": words, "environment": {} if shown else kept}
    text = json.dumps(record, sort_keys=True)
    name = hashlib.sha256(text.encode()).hexdigest()[:32]
    path = os.path.join(records, f"{name}.json")
    scratch = f"{path}.{os.getpid()}"
    with open(scratch, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(scratch, path)
    command = [*real, *arguments]
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
