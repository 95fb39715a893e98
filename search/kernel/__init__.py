"""The structured form of a kernel: affine loop nests over buffers, read from linalg and printed back to it."""
