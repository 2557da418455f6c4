"""Which cells a process can go to from which: what noise and drift do on the facets between them.

A facet with normal n lets the process through both ways where n . D n > 0; where that is zero, it is crossed in the
direction of -a alone (the sign of Fichera's function). The graph of all cells is held by rank 0 alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import basix
import numpy as np
import numpy.typing as npt
from mpi4py import MPI
from scipy import sparse
from scipy.sparse import csgraph

from fpsolver.domain.locate import point_rules
from fpsolver.generator.generator import Generator

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

ALONG = 1e-9
"""Noise with n . D n below this fraction of tr D is along the facet."""

NO_NOISE = 1e-13
"""D below this fraction of the largest tr D vanishes."""

NO_DRIFT = 1e-9
"""|a . n| below this fraction of the largest |a| is zero."""

TOWARDS_CORNERS = 0.8
"""Facets are looked at in the middle and, if that does not settle it, so far out towards their corners."""


@dataclass(frozen=True)
class Parts:
    """The owned cells sorted into parts within which the process goes wherever it likes.

    Attributes:
        label: Part of each owned cell, (owned cells,).
        closed: Whether a part is never left, (parts,): neither for another one, nor through an exit, nor for a sink.
        caught: Whether a path from each owned cell can come to a closed part or to a sink, (owned cells,).
        leaves: Whether it can come to an exit, (owned cells,).
    """

    label: Ints
    closed: Bools
    caught: Bools
    leaves: Bools


def parts_of(generator: Generator, sinks: Sequence[Array] = (), fixed: Bools | None = None) -> Parts:
    """The parts of a mesh. Collective; rank 0 holds the graph.

    Args:
        generator: Gives mesh and model.
        sinks: Points that paths nearby converge to, (d,) each.
        fixed: Owned nodes of an exit set; a facet with all of its nodes in it is an exit if paths come through.
    """
    comm = generator.comm
    topology = generator.space.mesh.topology
    cells = topology.index_map(topology.dim)
    first, total = cells.local_range[0], cells.size_global
    crossed, neighbour = _crossings(generator)
    cell, facet = np.nonzero(crossed & (neighbour >= 0))
    edges = [np.stack([first + cell, cells.local_to_global(neighbour[cell, facet]).astype(np.int64)])]
    if fixed is not None:
        leaving = np.flatnonzero((crossed & (neighbour < 0) & _all_nodes_in(generator, fixed)).any(axis=1))
        edges.append(np.stack([first + leaving, np.full(len(leaving), total)]))
    for i, rule in enumerate(
        point_rules(generator.space.mesh, generator.quadrature.cells, [sink.tolist() for sink in sinks])
    ):
        if rule is not None:
            edges.append(np.stack([first + rule.cell, np.full(len(rule.cell), total + 1 + i)]))
    gathered = comm.gather(np.concatenate(edges, axis=1))
    ranges = comm.gather(cells.local_range)
    label, closed, caught, leaves = (None,) * 4
    if gathered is not None:
        found = _sorted(np.concatenate(gathered, axis=1), total, len(sinks))
        label, caught, leaves = ([each[slice(*part)] for part in ranges] for each in (found[0], *found[2:]))
        closed = found[1]
    return Parts(comm.scatter(label), comm.bcast(closed), comm.scatter(caught), comm.scatter(leaves))


def _sorted(edges: Ints, cells: int, sinks: int) -> tuple[Ints, Bools, Bools, Bools]:
    """Labels, closed parts, and whether cells come to these or to sinks, and to the exit, from the whole graph."""
    size = cells + 1 + sinks
    graph = sparse.csr_array((np.ones(edges.shape[1]), edges), shape=(size, size))
    count, label = csgraph.connected_components(graph, connection="strong")
    closed = np.ones(count, dtype=bool)
    closed[label[edges[0][label[edges[0]] != label[edges[1]]]]] = False
    held = closed[label]
    held[cells] = False  # the exit
    closed = np.bincount(label[:cells], held[:cells], minlength=count) > 0
    leaves = _reaching(graph, np.array([cells]))
    return label[:cells].astype(np.int64), closed, _reaching(graph, np.flatnonzero(held))[:cells], leaves[:cells]


def _reaching(graph: sparse.csr_array, targets: Ints) -> Bools:
    """The nodes from which some of the targets are reached, the targets among them."""
    size = graph.shape[0]
    here = sparse.csr_array((np.ones(len(targets)), (np.zeros(len(targets), dtype=int), targets)), shape=(1, size))
    backward = sparse.block_array([[graph.T, None], [here, sparse.csr_array((1, 1))]], format="csr")
    found = np.zeros(size + 1, dtype=bool)
    found[csgraph.breadth_first_order(backward, size, return_predecessors=False)] = True
    return found[:size]


def _crossings(generator: Generator) -> tuple[Bools, Ints]:
    """Whether paths go out of each owned cell through each of its facets, and the local number of the cell beyond.

    Both (owned cells, facets per cell); -1 where there is no cell beyond.
    """
    neighbour = neighbours(generator)
    owned, count = neighbour.shape
    kind = generator.space.mesh.basix_cell()
    corners = np.asarray(basix.geometry(kind), dtype=float)
    outward = np.asarray(basix.cell.facet_outward_normals(kind), dtype=float)
    everyone = np.arange(owned)
    crossed = np.zeros((owned, count), dtype=bool)
    largest = _largest(generator)
    for number, vertices in enumerate(basix.topology(kind)[-2]):
        ends = corners[vertices]
        middle = ends.mean(axis=0, keepdims=True)
        crossed[:, number] = _leaves(generator, everyone, middle, outward[number], largest)
        rest = np.flatnonzero(~crossed[:, number])
        if len(rest) and len(ends) > 1:
            near = middle + TOWARDS_CORNERS * (ends - middle)
            crossed[rest, number] = _leaves(generator, rest, near, outward[number], largest)
    return crossed, neighbour


def _leaves(generator: Generator, cells: Ints, reference: Array, outward: Array, largest: tuple[float, float]) -> Bools:
    """Whether paths go out of owned cells at any of the reference points of one facet, (cells,)."""
    geometry = generator.quadrature.cells
    normals = geometry.normals(cells, reference, outward)
    points = geometry.points(reference)[cells]
    coefficients = generator.model(points.reshape(-1, geometry.dimension))
    noise = np.einsum("cqi,cqij,cqj->cq", normals, coefficients.diffusion.reshape(*points.shape, -1), normals)
    drift = -np.einsum("cqi,cqi->cq", normals, coefficients.advection.reshape(points.shape))
    trace = np.trace(coefficients.diffusion, axis1=1, axis2=2).reshape(noise.shape)
    through = noise > ALONG * trace + NO_NOISE * largest[0]
    return np.asarray((through | (drift > NO_DRIFT * largest[1])).any(axis=1))


def _largest(generator: Generator) -> tuple[float, float]:
    """The largest tr D and |a| in the middle of cells, over all ranks."""
    geometry = generator.quadrature.cells
    middle = np.full((1, geometry.dimension), 1.0 / (geometry.dimension + 1))
    coefficients = generator.model(geometry.points(middle)[: geometry.owned, 0])
    trace = np.trace(coefficients.diffusion, axis1=1, axis2=2).max(initial=0.0)
    drift = np.abs(coefficients.advection).max(initial=0.0)
    largest = np.empty(2)
    generator.comm.Allreduce(np.array([trace, drift]), largest, MPI.MAX)
    return float(largest[0]), float(largest[1])


def neighbours(generator: Generator) -> Ints:
    """The local number of the cell beyond each facet of the owned cells, -1 where there is none."""
    topology = generator.space.mesh.topology
    d = topology.dim
    topology.create_connectivity(d, d - 1)
    topology.create_connectivity(d - 1, d)
    owned = topology.index_map(d).size_local
    facets = topology.connectivity(d, d - 1).array.reshape(-1, d + 1)[:owned]
    beside = topology.connectivity(d - 1, d)
    start = beside.offsets[facets]
    two = beside.offsets[facets + 1] - start == 2
    last = np.where(two, start + 1, start)
    first, second = beside.array[start], beside.array[last]
    other = np.where(first == np.arange(owned)[:, None], second, first)
    return np.where(two, other, -1).astype(np.int64)


def _all_nodes_in(generator: Generator, mask: Bools) -> Bools:
    """Whether all nodes of each facet of the owned cells are in a set of owned nodes, (owned cells, facets)."""
    space = generator.space
    vector = generator.one.duplicate()
    vector.array[:] = mask
    values = generator.function(vector).x.array[generator.quadrature.dofs]
    closures = space.element.basix_element.entity_closure_dofs[space.mesh.topology.dim - 1]
    return np.stack([(values[:, nodes] > 0).all(axis=1) for nodes in closures], axis=1)
