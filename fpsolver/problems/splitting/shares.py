"""Shares of basins: of the initial density, and of densities on a mesh."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from fpsolver.domain.cells import Cells
from fpsolver.domain.partition import HALVINGS, parts_rules
from fpsolver.domain.rules import Rule, resolved_pieces
from fpsolver.generator.quadrature import rule_degree
from fpsolver.model.descent import LOST, REST, WALL
from fpsolver.problems.base import Setting
from fpsolver.problems.evolution.earlier import earlier_density
from fpsolver.problems.evolution.initial import InitialDensity, initial_density, initial_shape
from fpsolver.problems.splitting.basins import Landscape

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

ELSEWHERE = (WALL, REST, LOST)
"""What a path can end as that comes to no minimum."""

ALONG = 1
"""So often cells on a ridge between basins are halved."""

ALONG_EDGES = 1e-6
"""Error of a share by how closely a ridge is found on the edges of cells."""

ROUND_OFF = 1e-12

MATTERS = 1e-9
"""Where the initial density is below this fraction of its maximum, it does not matter which basin it is in."""


def deterministic_shares(setting: Setting, basins: Landscape) -> tuple[Array, Array]:
    """The mass of the initial density in each basin of attraction, with its error. Collective.

    Returns:
        Shares of sum 1, and last of them what ends at walls, at rest elsewhere, or nowhere: (m + 3,). Their errors, by
        comparison with ridges that are followed half as closely, (m + 3,). A point mass is in one of them.
    """
    case, comm, cells = setting.case, setting.domain.comm, setting.cells
    assert case.evolution is not None
    initial, labels = case.evolution.initial, basins.attraction.labels
    wanted = [*range(basins.count), *ELSEWHERE]
    if initial.kind == "point":
        assert initial.point is not None
        found = np.asarray(np.array(wanted) == labels(np.array([initial.point]))[0], dtype=float)
        return found, np.zeros(len(wanted))
    shape = initial_shape(initial, cells, case.coordinates, case.regions, _earlier(setting), comm)
    pieces = resolved_pieces(cells, shape.coarse, shape.halvings)
    matters = None
    if initial.kind != "file":  # that of an earlier run is known collectively
        at_corners = shape.formula(cells.nodes[: cells.owned].reshape(-1, cells.dimension))
        matters = _matters(shape.formula, float(at_corners.max(initial=0.0)))

    def shares(halvings: int) -> Array:
        rules = parts_rules(
            cells, pieces, labels, wanted, _degree(setting), halvings=halvings, matters=matters, on_edge=REST
        )
        ends = np.cumsum([len(rule.weights) for rule in rules])[:-1]
        density = np.split(shape.formula(np.concatenate([rule.points for rule in rules])), ends)
        here = [float(rule.weights @ values) for rule, values in zip(rules, density, strict=True)]
        masses = np.asarray(comm.allreduce(np.array(here)))
        return np.asarray(masses / masses.sum())

    closely = HALVINGS[cells.dimension]
    found = shares(closely)
    if closely == 0:
        return found, np.full(len(wanted), ROUND_OFF)
    return found, 2.0 * np.abs(found - shares(closely - 1)) + ALONG_EDGES


def initial_mean(setting: Setting, function: Callable[[Array], Array]) -> Array:
    """The means over the initial density of functions from points (n, d) to (k, n): (k,). Collective."""
    case = setting.case
    assert case.evolution is not None
    initial = setting.of_degree.once("initial density of splitting", lambda: _initial(setting))
    values = function(initial.rule.points)
    return np.asarray(setting.domain.comm.allreduce(values @ (initial.rule.weights * initial.density)))


def basin_rules(setting: Setting, basins: Landscape, cells: Cells, name: str) -> Sequence[Rule]:
    """A quadrature rule for each basin of attraction over a mesh, made once for each name of a mesh.

    Densities that have come to rest are small on the ridges between basins, so these are not followed as closely as for
    an initial density.
    """

    def made() -> list[Rule]:
        pieces = resolved_pieces(cells, lambda corners: np.zeros(len(corners), dtype=bool))
        labels, wanted = basins.attraction.labels, range(basins.count)
        return parts_rules(cells, pieces, labels, wanted, _degree(setting), halvings=ALONG, meeting=ALONG, on_edge=REST)

    return setting.of_mesh.once(("basin rules", name), made)


def _initial(setting: Setting) -> InitialDensity:
    case = setting.case
    assert case.evolution is not None
    return initial_density(
        case.evolution.initial,
        setting.domain,
        setting.cells,
        case.coordinates,
        case.regions,
        _degree(setting),
        _earlier(setting),
    )


def _earlier(setting: Setting) -> Callable[..., Callable[[Array], Array]]:
    return lambda folder: earlier_density(*setting.earlier(folder), setting.domain.comm)


def _degree(setting: Setting) -> int:
    return rule_degree(setting.case.dimension, setting.case.discretization.degree)


def _matters(formula: Callable[[Array], Array], largest: float) -> Callable[[Array], Bools]:
    """Whether a density is not negligible at some corner of pieces (m, d + 1, d), or in their middles."""
    found = [largest]

    def matters(corners: Array) -> Bools:
        m, count, d = corners.shape
        points = np.concatenate([corners, corners.mean(axis=1, keepdims=True)], axis=1)
        highest = formula(points.reshape(-1, d)).reshape(m, count + 1).max(axis=1)
        found[0] = max(found[0], float(highest.max(initial=0.0)))
        return np.asarray(highest > MATTERS * found[0])

    return matters
