"""What the learned model is worth to the search: measured pools, strategies replayed on them, and live runs."""
