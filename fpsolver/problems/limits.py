"""Limits of the checks that several problems share; their reasons are in docs/theory.md."""

from __future__ import annotations

KERNEL_DEFECT = 1e-12
BACKWARD_ERROR = 1e-10
SIGN_DEFECT = 1e-13
NEGATIVE_MASS = 1e-3
