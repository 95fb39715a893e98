"""Parts of `benchmarks/bundle.py`."""
