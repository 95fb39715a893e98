"""Real builds to data sets, after ComPile (arXiv 2309.15432): bitcode before and after optimisation, by function.

Example:
    >>> from costmodel.datasets.extract import Options, extract
    >>> extract(Options(build=Path("lz4-1.10"), output=Path("lz4.data"), jobs=2))  # builds a copy of it
"""

from __future__ import annotations

from costmodel.datasets.extract.run import Options, Report, extract

__all__ = ["Options", "Report", "extract"]
