"""Measure candidates: time them, check what they compute, survive what they do.

Owns trust in a number. Candidates are built and run in workers that may be killed; a wrong one never has a time.
"""
