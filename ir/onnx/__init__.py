"""ONNX models: protobuf to the operation tree."""
