"""Meshes from files: simplices with straight or quadratic edges, and the names of their parts.

Gmsh 2.2 and 4.1 and XDMF are read by meshio. What a solver could not use is refused here, before anything starts.
"""

from __future__ import annotations

import contextlib
import io
import itertools
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from fpsolver.case.mesh_data import Array, Bools, Ints, MeshData, determinants

SIMPLICES = {
    1: ("line", "line3"),
    2: ("triangle", "triangle6"),
    3: ("tetra", "tetra10"),
}
"""Names of the cells with straight and with quadratic edges, by dimension."""

OTHERS = {"quad": 2, "quad8": 2, "quad9": 2, "hexahedron": 3, "wedge": 3, "pyramid": 3, "hexahedron20": 3}

MIDDLES = {1: ((0, 1),), 2: ((0, 1), (1, 2), (2, 0)), 3: ((0, 1), (1, 2), (2, 0), (0, 3), (1, 3), (2, 3))}
"""The edges whose middles follow the vertices of a quadratic cell, in meshio's order."""

FLAT = 1e-10
"""A cell with less volume than this fraction of that of a regular one with its longest edge is flat."""

STRAIGHT = 1e-10
"""A middle nearer to the straight edge than this fraction of its length is on it."""


class MeshTrouble(Exception):
    """A mesh that cannot be used.

    Attributes:
        wrong: What is wrong with it.
        write: What to do.
    """

    def __init__(self, wrong: str, write: str) -> None:
        super().__init__(wrong)
        self.wrong, self.write = wrong, write


@lru_cache(maxsize=4)
def read_mesh(path: Path) -> MeshData:
    """The simplices of a file; read once.

    Raises:
        MeshTrouble: The file cannot be read, or not be used.
    """
    raw = _raw(path)
    blocks = {block.type for block in raw.cells if len(block.data)}
    dimension = max(
        [d for d, names in SIMPLICES.items() if blocks & set(names)]
        + [d for name, d in OTHERS.items() if name in blocks],
        default=0,
    )
    foreign = sorted(name for name, d in OTHERS.items() if name in blocks and d == dimension)
    high = sorted(
        name for name in blocks if name[:4] in ("tria", "tetr", "line") and name not in sum(SIMPLICES.values(), ())
    )
    if foreign or high:
        raise MeshTrouble(
            f"it has cells of the kind {', '.join(foreign + high)}",
            "write a mesh of intervals, triangles or tetrahedra with straight or quadratic edges",
        )
    if not dimension:
        raise MeshTrouble("it has no cells", "write a mesh of intervals, triangles or tetrahedra")
    points, nodes, number = _nodes(raw, dimension)
    cells = nodes[:, : dimension + 1]
    _refuse_flat(points, cells)
    bent_edges, bent_middles = _bent(points, nodes, dimension)
    used, index = np.unique(cells, return_inverse=True)
    renumbered = np.full(len(points), -1, dtype=np.int64)
    renumbered[used] = np.arange(len(used))
    cells = index.reshape(cells.shape).astype(np.int64)
    points = points[used]
    turned = determinants(points, cells) < 0
    cells[turned, :2] = cells[turned, 1::-1]
    _refuse_folded(points, cells)
    cell_groups, facet_groups = _groups(raw, dimension, number, renumbered)
    return MeshData(points, cells, np.sort(renumbered[bent_edges], axis=1), bent_middles, cell_groups, facet_groups)


def _raw(path: Path) -> Any:
    """What meshio reads; anything that it may raise is one message."""
    try:
        head = path.read_bytes()
    except OSError as error:
        raise MeshTrouble(f"it cannot be read: {error.strerror}", "write the path of a mesh") from None
    if not head:
        raise MeshTrouble("it is empty", "write the mesh again")
    if path.suffix == ".xdmf" and b"<!ENTITY" in head:
        raise MeshTrouble("it defines entities, which are not read", "remove the <!ENTITY ...> lines")
    import meshio  # on use: most cases have no mesh file

    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), np.errstate(all="ignore"):
            return meshio.read(path, file_format="gmsh" if path.suffix == ".msh" else "xdmf")
    except (Exception, SystemExit) as error:  # a reader of foreign files may raise anything
        text = " ".join((str(error) or said.getvalue() or type(error).__name__).split())[:160]
        raise MeshTrouble(
            f"it cannot be read ({text})", "write the mesh again as Gmsh 2.2 or 4.1, or as XDMF"
        ) from None


def _nodes(raw: Any, dimension: int) -> tuple[Array, Ints, list[int]]:
    """Points (n, d), the nodes of the cells, vertices first, and which blocks of the file they come from."""
    points = np.asarray(raw.points, dtype=float)
    number = [i for i, block in enumerate(raw.cells) if block.type in SIMPLICES[dimension] and len(block.data)]
    kinds = {raw.cells[i].type for i in number}
    if len(kinds) > 1:
        raise MeshTrouble(f"it mixes cells of the kinds {', '.join(sorted(kinds))}", "write a mesh of one kind")
    nodes = np.concatenate([np.asarray(raw.cells[i].data, dtype=np.int64) for i in number])
    if nodes.min() < 0 or nodes.max() >= len(points):
        raise MeshTrouble("a cell has a vertex that is not there", "write the mesh again")
    if not np.isfinite(points[nodes]).all():
        raise MeshTrouble("a vertex has a coordinate that is not finite", "write the mesh again")
    beyond = points[np.unique(nodes), dimension:]
    if beyond.size and np.ptp(beyond, axis=0).max() > 0.0:
        raise MeshTrouble(
            f"its {dimension}-D cells lie in space, not in the first {dimension} coordinates", "write a flat mesh"
        )
    return np.ascontiguousarray(points[:, :dimension]), nodes, number


def _refuse_flat(points: Array, cells: Ints) -> None:
    corners = points[cells]
    first, second = np.triu_indices(cells.shape[1], 1)
    longest = np.linalg.norm(corners[:, first] - corners[:, second], axis=2).max(axis=1)
    flat = np.abs(determinants(points, cells)) <= FLAT * longest ** points.shape[1]
    if flat.any():
        where = ", ".join(f"{x:.4g}" for x in corners[flat][0].mean(axis=0))
        raise MeshTrouble(f"{int(flat.sum())} cells are flat, one near ({where})", "write the mesh again without them")


def _refuse_folded(points: Array, cells: Ints) -> None:
    """Two cells at a facet lie on either side of it, and there are never more than two."""
    d = cells.shape[1] - 1
    local = np.array(list(itertools.combinations(range(d + 1), d)))
    opposite = np.array([next(i for i in range(d + 1) if i not in part) for part in local])
    facets = np.sort(cells[:, local].reshape(-1, d), axis=1)
    _, index, count = np.unique(facets, axis=0, return_inverse=True, return_counts=True)
    if count.max() > 2:
        raise MeshTrouble("more than two cells meet at a facet", "write the mesh again, without cells on each other")
    order = np.argsort(index.ravel(), kind="stable")
    shared = count[index.ravel()[order]] == 2
    pairs = order[shared].reshape(-1, 2)
    tips = points[cells[:, opposite].reshape(-1)[pairs]]
    bases = points[facets[pairs[:, 0]]]
    sides = [np.linalg.det(np.concatenate([bases[:, 1:], tips[:, i : i + 1]], axis=1) - bases[:, :1]) for i in (0, 1)]
    folded = sides[0] * sides[1] >= 0
    if folded.any():
        where = ", ".join(f"{x:.4g}" for x in bases[folded][0].mean(axis=0))
        raise MeshTrouble(
            f"{int(folded.sum())} pairs of cells lie on the same side of the facet between them, one near ({where})",
            "write the mesh again: cells are turned over",
        )


def _bent(points: Array, nodes: Ints, dimension: int) -> tuple[Ints, Array]:
    """The edges of quadratic cells that are not straight, and their middles."""
    if nodes.shape[1] == dimension + 1 or dimension == 1:
        return np.empty((0, 2), dtype=np.int64), np.empty((0, dimension))
    ends = np.array(MIDDLES[dimension])
    edges = np.sort(nodes[:, ends].reshape(-1, 2), axis=1)
    middles = nodes[:, dimension + 1 :].reshape(-1)
    edges, once = np.unique(edges, axis=0, return_index=True)
    at = points[middles[once]]
    start, end = points[edges[:, 0]], points[edges[:, 1]]
    off = np.linalg.norm(at - (start + end) / 2.0, axis=1) > STRAIGHT * np.linalg.norm(end - start, axis=1)
    return edges[off], at[off]


def _groups(raw: Any, dimension: int, number: list[int], renumbered: Ints) -> tuple[dict[str, Bools], dict[str, Ints]]:
    """Physical groups of cells and of facets by name, or by number where they have none."""
    tags = raw.cell_data.get("gmsh:physical")
    if tags is None:
        return {}, {}
    names = {(int(dim), int(tag)): name for name, (tag, dim) in raw.field_data.items()}
    of_cells = np.concatenate([np.asarray(tags[i]) for i in number])
    cell_groups = {
        names.get((dimension, int(tag)), f"group_{int(tag)}"): of_cells == tag for tag in np.unique(of_cells) if tag > 0
    }
    facets: dict[str, list[Ints]] = {}
    kinds = ("vertex",) if dimension == 1 else SIMPLICES[dimension - 1]
    for i, block in enumerate(raw.cells):
        if block.type not in kinds:
            continue
        vertices = np.sort(renumbered[np.asarray(block.data, dtype=np.int64)[:, :dimension]], axis=1)
        for tag in np.unique(tags[i]):
            name = names.get((dimension - 1, int(tag)), f"group_{int(tag)}")
            chosen = vertices[np.asarray(tags[i]) == tag]
            facets.setdefault(name, []).append(chosen[(chosen >= 0).all(axis=1)])
    return cell_groups, {name: np.concatenate(parts) for name, parts in facets.items() if name != "group_0"}
