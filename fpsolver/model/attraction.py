"""Whether paths near a trap converge to it.

With y the part of x - z across the set of traps (all of it where traps are isolated),

    L log|y| = [y . b + tr D - 2 y . D y / |y|^2] / |y|^2,      D and b taken across,

is a function Q of the direction of y alone as |y| -> 0, where D is quadratic and b linear. If Q has one sign, that
decides. Otherwise the mean of Q decides (the Lyapunov exponent), over the directions that the angle settles to; here in
two dimensions, where the angle is a diffusion on a circle,

    L theta = e . b / |y| - 2 y . D e / |y|^3,      noise e . D e / |y|^2,      e perpendicular to y.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph

from fpsolver.model.coefficients import Array, Model

RADIUS = 1e-4
"""Distance at which the direction decides, as a fraction of the box."""

ANGLES = 720
SPHERE = 600
FLAT = 1e-3
"""Q below this fraction of its largest terms is zero."""

ALONG = 1e-6
"""A direction along which D and b grow by less than this fraction of what they do across runs along the traps."""


def attraction(model: Model, point: Array, size: Array) -> bool | None:
    """True if a trap attracts, False if it repels, None if neither can be said.

    Args:
        model: Drift and diffusion.
        point: The trap, (d,).
        size: Of the box, (d,): directions that lead out of it are not the model's, but do no harm.
    """
    radius = RADIUS * float(size.min())
    across = _across(model, point, radius)
    rank = across.shape[1]
    directions = _directions(rank)
    values = model(point + radius * directions @ across.T)
    drift = (values.extra - values.gradient) @ across / radius
    noise = np.einsum("ia,nij,jb->nab", across, values.diffusion, across) / radius**2
    along = np.einsum("na,nab->nb", directions, noise)
    radial = np.einsum("na,na->n", along, directions)
    terms = np.einsum("na,na->n", directions, drift), np.trace(noise, axis1=1, axis2=2), 2.0 * radial
    q = terms[0] + terms[1] - terms[2]
    flat = FLAT * max(float(np.abs(term).max()) for term in terms)
    sign = _sign(q, flat)
    if sign is not None or rank != 2:
        return sign
    normal = np.stack([-directions[:, 1], directions[:, 0]], axis=1)
    turning = np.einsum("na,na->n", normal, drift) - 2.0 * np.einsum("na,na->n", along, normal)
    spread = np.einsum("na,nab,nb->n", normal, noise, normal)
    return _sign(_exponents(q, turning, spread), flat)


def _sign(values: Array, flat: float) -> bool | None:
    if (values <= flat).all() and (values < -flat).any():
        return True
    if (values >= -flat).all() and (values > flat).any():
        return False
    return None


def _across(model: Model, point: Array, radius: float) -> Array:
    """An orthonormal basis (d, rank) of the directions across the set of traps."""
    d = len(point)
    pairs = [(i, j) for i in range(d) for j in range(i, d)]
    unit = np.eye(d)
    steps = np.array([unit[i] + (unit[j] if j != i else 0.0) for i, j in pairs])
    values = model(np.vstack([point + radius * steps, point - radius * steps]))
    trace = np.trace(values.diffusion, axis1=1, axis2=2)
    speed = ((values.extra - values.gradient) ** 2).sum(axis=1)
    growth = trace / (trace.max() or 1.0) + speed / (speed.max() or 1.0)
    growth = growth[: len(pairs)] + growth[len(pairs) :]
    # the quadratic form with these values: its kernel runs along the traps
    form = np.zeros((d, d))
    for (i, j), value in zip(pairs, growth, strict=True):
        if i == j:
            form[i, i] = value
    for (i, j), value in zip(pairs, growth, strict=True):
        if i != j:
            form[i, j] = form[j, i] = (value - form[i, i] - form[j, j]) / 2
    sizes, vectors = np.linalg.eigh(form)
    used = sizes > ALONG * sizes[-1]
    return np.asarray(vectors[:, used] if used.any() else unit)


def _directions(rank: int) -> Array:
    """Unit vectors: both, evenly on the circle, or on the sphere along a Fibonacci spiral."""
    if rank == 1:
        return np.array([[-1.0], [1.0]])
    if rank == 2:
        # shifted by an odd fraction: directions that the angle never leaves shall not be points of the lattice
        angle = 2 * np.pi * (np.arange(ANGLES) + 0.381966) / ANGLES
        return np.stack([np.cos(angle), np.sin(angle)], axis=1)
    height = 1.0 - 2.0 * (np.arange(SPHERE) + 0.5) / SPHERE
    angle = np.pi * (1.0 + np.sqrt(5.0)) * np.arange(SPHERE)
    flat = np.sqrt(1.0 - height**2)
    return np.stack([flat * np.cos(angle), flat * np.sin(angle), height], axis=1)


def _exponents(q: Array, turning: Array, spread: Array) -> Array:
    """The mean of Q over each set of directions that the angle settles to, by an upwind Markov chain on the circle."""
    step = 2 * np.pi / ANGLES
    up = spread / step**2 + np.maximum(turning, 0.0) / step
    down = spread / step**2 + np.maximum(-turning, 0.0) / step
    here = np.arange(ANGLES)
    rates = sparse.coo_array(
        (np.concatenate([up, down]), (np.tile(here, 2), np.concatenate([(here + 1) % ANGLES, (here - 1) % ANGLES]))),
        shape=(ANGLES, ANGLES),
    ).toarray()
    count, label = csgraph.connected_components(rates > 1e-12 * rates.max(), connection="strong")
    leaving = np.zeros(count, dtype=bool)
    source, target = np.nonzero(rates > 1e-12 * rates.max())
    leaving[label[source[label[source] != label[target]]]] = True
    return np.array([_mean(q, rates, label == k) for k in np.flatnonzero(~leaving)])


def _mean(q: Array, rates: Array, states: NDArray[np.bool_]) -> float:
    """The mean of Q over the stationary distribution of a closed set of states."""
    part = rates[np.ix_(states, states)]
    balance = (part - np.diag(part.sum(axis=1))).T
    balance[-1] = 1.0
    shares = np.linalg.solve(balance, np.append(np.zeros(len(part) - 1), 1.0))
    return float(shares @ q[states])
