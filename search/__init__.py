"""Decide: workloads, spaces, strategies, backends, measuring, records."""

if __name__ != "costmodel.search":
    raise ImportError(
        f"this package is 'costmodel.search', imported as {__name__!r}: install the project and import that"
    )
