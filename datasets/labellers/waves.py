"""Most waves that one SIMD of an AMD GPU holds, by processor.

Source: AMDGPUBaseInfo.cpp `getMaxWavesPerEU` of LLVM 22: 8 on gfx90a and gfx94x/95x, 10 before gfx10, 20 on gfx1010 to
gfx1013, 16 after. Owns that table.
"""

from __future__ import annotations

import re

_RDNA1_WAVES, _RDNA_WAVES, _GCN_WAVES, _CDNA2_WAVES = 20, 16, 10, 8


def most_waves(cpu: str) -> int:
    """For example 8 for `gfx942`."""
    if re.fullmatch(r"gfx(?:90a|94\w|95\w)", cpu):
        return _CDNA2_WAVES
    if re.fullmatch(r"gfx101\w", cpu):
        return _RDNA1_WAVES
    return _RDNA_WAVES if re.fullmatch(r"gfx1\d\d\w", cpu) else _GCN_WAVES
