"""TVM's TIR: script and JSON to the operation tree, without TVM."""
