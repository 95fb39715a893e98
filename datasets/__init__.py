"""Gather: so far, generators of linalg workloads."""

if __name__ != "costmodel.datasets":
    raise ImportError(
        f"this package is 'costmodel.datasets', imported as {__name__!r}: install the project and import that"
    )
