"""Artifacts: whole functions of tuned kernels as a shared library, a C header and a manifest."""

from costmodel.search.artifact.build import ArtifactBuilder, BuiltArtifact
from costmodel.search.artifact.form import FunctionSource, Port
from costmodel.search.artifact.model import function_source, mlir_functions

__all__ = ["ArtifactBuilder", "BuiltArtifact", "FunctionSource", "Port", "function_source", "mlir_functions"]
