"""Compilers as libraries: finding tools, named pipelines, lowering to objects, vector mathematics, linking."""
