"""The density that an earlier run ended with, as a function of points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from dolfinx import fem
from mpi4py import MPI
from scipy.spatial import cKDTree

from fpsolver.case import Case
from fpsolver.domain.cells import Cells
from fpsolver.domain.locate import OUTSIDE, locate
from fpsolver.domain.region_mesh import domain_mesh
from fpsolver.errors import BadUsage
from fpsolver.generator.choice import reference_weight
from fpsolver.generator.weight import Weight, no_potential
from fpsolver.model import build
from fpsolver.model.scaled import ScaledModel
from fpsolver.problems.stationary.close_weight import refined_weight
from fpsolver.state import FinalState

Array = npt.NDArray[np.float64]


def earlier_density(case: Case, state: FinalState, comm: MPI.Comm) -> Callable[[Array], Array]:
    """The density w h of a finished run, zero outside its domain. Collective.

    Every rank holds the whole earlier mesh, the one place where it does. On the same mesh with the same weight the
    later run starts from exactly the same h.

    Args:
        case: The case of the earlier run.
        state: What it ended with.
        comm: All ranks.

    Raises:
        BadUsage: The state does not belong to the case.
    """
    domain = domain_mesh(MPI.COMM_SELF, case.domain)
    space = fem.functionspace(domain, ("Lagrange", state.degree))
    nodes = space.tabulate_dof_coordinates()[:, : case.dimension]
    distance, index = cKDTree(state.points).query(nodes)
    if len(state.points) != len(nodes) or distance.max() > 1e-8 * float(np.ptp(nodes, axis=0).max()):
        raise BadUsage("evolution.initial.file: the final state there does not belong to the case.toml beside it")
    h = state.values[index]
    weight = _weight(case, state, comm)
    cells = Cells.of(domain)
    element = space.element.basix_element

    def density(points: Array) -> Array:
        cell, reference, outside = locate(domain, cells, points)
        basis = element.tabulate(0, reference)[0, :, :, 0]
        values = np.einsum("na,na->n", basis, h[space.dofmap.list[cell]])
        return np.asarray(np.where(outside <= OUTSIDE, weight.density(points) * values, 0.0))

    return density


def _weight(case: Case, state: FinalState, comm: MPI.Comm) -> Weight:
    if state.kind == "none":
        return Weight(no_potential)
    if state.spline is not None:
        return replace(refined_weight(case, state.spline), floor=state.floor, ceiling=state.ceiling)
    model = build(case)
    if state.ratio != 1.0:
        model = ScaledModel(model, state.ratio, 1.0, case.noise.regularization)
    found = reference_weight(model, case.domain.lower, case.domain.upper, comm, case.domain.periods)
    return replace(found, floor=state.floor, ceiling=state.ceiling)
