"""Answering other people's compilers and tools from a process of its own.

Owns two doors: LLVM's interactive advisor channels (`channel`, `session`, `policies`) and a local socket for batches of
IR (`local`, `client`). Does not predict: policies and `costmodel.models.predictor` do.
"""
