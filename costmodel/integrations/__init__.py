"""The predictor inside other people's compilers: one module each, imported only by who has that compiler."""
