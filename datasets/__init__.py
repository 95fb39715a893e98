"""Gather: extract from builds, label with real toolchains, generate kernels, split, load."""

if __name__ != "costmodel.datasets":
    raise ImportError(
        f"this package is 'costmodel.datasets', imported as {__name__!r}: install the project and import that"
    )
