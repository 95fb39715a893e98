"""Read programs: MLIR, LLVM IR, ONNX to one program form, then graph, tokens and static features."""

if __name__ != "costmodel.ir":
    raise ImportError(f"this package is 'costmodel.ir', imported as {__name__!r}: install the project and import that")
