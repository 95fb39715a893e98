"""C and C++ sources: the features, the LLVM and MLIR plug-ins. Built by `make plugins`; nothing here runs in Python.

`tables` writes what the C++ side takes over from Python: names and order of features, groups of operations.
"""
