"""Machines that the estimates tell apart: names and figures that several modules share."""

from __future__ import annotations

VARIANTS = ("x86_128", "x86_256", "x86_512", "a64", "rv", "rvv")
"""x86-64 with vectors of 128, 256 and 512 bits, AArch64, RISC-V without and with its vector extension."""
