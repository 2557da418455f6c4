"""The generator of a case: its scheme and degree, and where its coefficients are unsound on the mesh, at which line."""

from __future__ import annotations

import numpy as np
from dolfinx import mesh

from fpsolver.case import Case
from fpsolver.case.located import mistake_at
from fpsolver.errors import BadUsage
from fpsolver.generator.generator import Generator, weighted_generator
from fpsolver.generator.monotone import monotone_generator
from fpsolver.generator.sound import Unsound
from fpsolver.generator.weight import Weight
from fpsolver.model import Model
from fpsolver.runtime import on_root


def generator_of(case: Case, model: Model, domain: mesh.Mesh[np.float64], weight: Weight) -> Generator:
    """The generator on a mesh for a weight. Collective.

    Raises:
        BadUsage: A coefficient is not finite, or D has a negative eigenvalue, at a point of the mesh.
    """
    try:
        if case.discretization.scheme == "monotone":
            return monotone_generator(domain, model, weight)
        return weighted_generator(domain, model, case.discretization.degree, weight)
    except Unsound as error:  # on all ranks
        found = error
    raise BadUsage(on_root(domain.comm, lambda: str(mistake_at(case, found.part, found.wrong, found.write))))


def about_noise(generator: Generator) -> str | None:
    """A line for the user where D was not quite a diffusion tensor; None where it was."""
    if not generator.raised < 0.0:
        return None
    return f"noise: D has eigenvalues down to {generator.raised:.1e} of its size: round-off, they are taken as 0"
