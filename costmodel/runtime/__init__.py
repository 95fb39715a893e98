"""Loading tuned artifacts: needs numpy and `costmodel.core`, no compiler, no search."""
