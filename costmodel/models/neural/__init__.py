"""Neural models of programs, on torch. Nothing here is imported until such a model is asked for."""
