"""The `tir` reader: TVM script by Python's own parser (nothing is executed), or JSON of `tvm.ir.save_json`.

Owns the choice between the two. Invariant: text that is neither, or that holds no primitive function, is a
`ParseError` with a position.
"""

from __future__ import annotations

import hashlib
import re

from costmodel.core.errors import Location, ParseError
from costmodel.ir import collector
from costmodel.ir.mlir.structure import MlirModule
from costmodel.ir.program import Diagnostic, Program, functions_of

MAX_BYTES = 64 << 20
_SCRIPT = re.compile(r"^[ \t]*+@[\w.]*\bprim_func\b", re.MULTILINE)
_JSON = re.compile(r'\{\s*"(?:root_index|root|nodes)"\s*:')


class TirReader:
    """Reads TIR."""

    suffixes: tuple[str, ...] = (".tir", ".py")

    def sniff(self, head: bytes) -> bool:
        """A decorator `prim_func` at the start of a line, or the keys of a saved node graph."""
        text = head.decode("utf-8", "replace")
        return _SCRIPT.search(text) is not None or _JSON.match(text.lstrip()) is not None

    def read(self, data: bytes, file: str) -> Program:
        """See `reading.Reader`."""
        from costmodel.ir.reading import decode

        start = Location(file=file, line=1, column=1)
        if len(data) > MAX_BYTES:
            raise ParseError(f"{len(data)} bytes of TIR are more than the {MAX_BYTES} that are read", location=start)
        text = decode(data, file)
        with collector.paused():
            module, producer, diagnostics = self._parse(text, file, start)
        return Program(
            format="tir",
            level="graph",
            producer=producer,
            functions=functions_of(module),
            diagnostics=diagnostics,
            sha256=hashlib.sha256(data).hexdigest(),
        )

    def _parse(self, text: str, file: str, start: Location) -> tuple[MlirModule, str | None, tuple[Diagnostic, ...]]:
        from costmodel.ir.tir import nodes, script

        try:
            if text.lstrip()[:1] == "{":
                module, producer = nodes.parse_json(text, file)
                return module, producer, ()
            module, diagnostics = script.parse_script(text, file)
        except (RecursionError, MemoryError):
            raise ParseError("expressions or statements are nested too deeply to read", location=start) from None
        return module, "TVM script", diagnostics
