"""Float32 elementary functions as MLIR text: polynomials in `arith` and `math` operations that map to instructions.

`lower_math("math.exp", emitter, ["%x"], "vector<16xf32>")` appends lines to the caller's emitter and returns the name
of the result. Lanes are independent, there is no branch, no table and no library call. Bounds:
`FUNCTIONS[name].max_ulp`; how they were found: `docs/vecmath.md`. Does not parse, compile or run anything.
"""

from costmodel.toolchain.vecmath.builder import Emitter, constant_text
from costmodel.toolchain.vecmath.functions import FUNCTIONS, ElementaryFunction, lower_math

__all__ = ["FUNCTIONS", "ElementaryFunction", "Emitter", "constant_text", "lower_math"]
