"""The default backend: scheduled loops in the scf, vector and arith dialects, lowered in process by MLIR and LLVM."""
