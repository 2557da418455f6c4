"""Case files: read, checked without FEniCS or MPI, and turned into frozen dataclasses."""

from __future__ import annotations

from fpsolver.case.advice import Advice, advise, suggested_ranks, summary
from fpsolver.case.expressions import Expression, ExpressionError, parse
from fpsolver.case.loading import load, load_all
from fpsolver.case.mistakes import BadCase, Mistake
from fpsolver.case.resolved import dump
from fpsolver.case.sections import (
    Boundary,
    Box,
    Case,
    Committor,
    Data,
    Discretization,
    Evolution,
    Exit,
    Initial,
    Loss,
    Noise,
    Output,
    Region,
    RunSettings,
)

__all__ = [
    "Advice",
    "BadCase",
    "Boundary",
    "Box",
    "Case",
    "Committor",
    "Data",
    "Discretization",
    "Evolution",
    "Exit",
    "Expression",
    "ExpressionError",
    "Initial",
    "Loss",
    "Mistake",
    "Noise",
    "Output",
    "Region",
    "RunSettings",
    "advise",
    "dump",
    "load",
    "load_all",
    "parse",
    "suggested_ranks",
    "summary",
]
