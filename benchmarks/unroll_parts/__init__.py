"""Parts of the unrolling benchmarks: kernels, their generator, measuring and simulating them."""
