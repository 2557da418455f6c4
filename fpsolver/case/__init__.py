"""Case files: read, checked without FEniCS or MPI, and turned into frozen dataclasses."""

from __future__ import annotations

from fpsolver.case.advice import Advice, advise, memory, suggested_ranks, summary
from fpsolver.case.expressions import Expression, ExpressionError, parse
from fpsolver.case.loading import load, load_all
from fpsolver.case.mistakes import BadCase, Mistake
from fpsolver.case.resolved import dump
from fpsolver.case.sections import (
    Ball,
    Boundary,
    Box,
    Case,
    Committor,
    Data,
    Discretization,
    Domain,
    Evolution,
    Exit,
    Initial,
    Loss,
    MeshFile,
    Noise,
    Output,
    Region,
    RunSettings,
)

__all__ = [
    "Advice",
    "BadCase",
    "Ball",
    "Boundary",
    "Box",
    "Case",
    "Committor",
    "Data",
    "Discretization",
    "Domain",
    "Evolution",
    "Exit",
    "Expression",
    "ExpressionError",
    "Initial",
    "Loss",
    "MeshFile",
    "Mistake",
    "Noise",
    "Output",
    "Region",
    "RunSettings",
    "advise",
    "dump",
    "load",
    "load_all",
    "memory",
    "parse",
    "suggested_ranks",
    "summary",
]
