"""How large a run is: unknowns, memory, time, files."""

from __future__ import annotations

import math

from fpsolver.case.advice.line import Advice
from fpsolver.case.sections import Case, Domain
from fpsolver.solvers import LARGEST_COARSE, LARGEST_FACTORS

RANK_UNKNOWNS = 60_000  # unknowns that keep one rank busy
LARGE = 8e9  # bytes of a factorisation that ask for a second thought
LONG = 3600.0  # seconds that ask for one
MUCH_ON_DISK = 20e9  # bytes

STARTED = 225e6  # bytes of each rank before it has done anything
PER_UNKNOWN = {1: 3e3, 2: 9e3, 3: 13e3}  # bytes of mesh, values at quadrature points and matrices, by dimension
MULTIGRID = 3e3  # bytes per unknown of smoothers, levels and directions

SECONDS = 4.5  # until a run has begun
ERRORS = 1.6  # a run with the errors of its numbers takes so many times as long
TRANSPORT = 2.5  # and one whose drift the weight does not absorb
SDIRK = 6.0
WORK = {"evolution": (4.0, 130.0), "stationary": (6.0, 60.0), "exit": (8.0, 25.0), "committor": (5.0, 20.0)}
"""What a problem costs: factorisations with their assemblies, and solves. Measured; see the tests."""


def unknowns(domain: Domain, degree: int) -> int:
    """Number of unknowns of Lagrange elements of a degree; an estimate where the domain is no box."""
    return domain.nodes(degree)


def factor_bytes(count: int, dimension: int, symmetric: bool) -> float:
    """Memory of one MUMPS factorisation: N log N in 2-D, N^(4/3) in 3-D by nested dissection.

    Calibrated in 2-D with 249,841 unknowns of degree 4 (1.63 GB for LU, 0.90 GB for LDLT), and in 3-D with 68,921 of
    degree 2 (0.57 GB for LU).
    """
    if dimension == 1:
        size = 600.0 * count
    elif dimension == 2:
        size = 365.0 * count * math.log2(count + 1)
    else:
        size = 200.0 * count ** (4 / 3)
    return size * (0.55 if symmetric else 1.0)


def solver_bytes(count: int, dimension: int, degree: int, symmetric: bool) -> tuple[float, str]:
    """Memory of what solves, and what that is called: factors, or multigrid where there are too many unknowns."""
    if count <= LARGEST_FACTORS[dimension]:
        return factor_bytes(
            count, dimension, symmetric
        ), "one LDLT factorisation" if symmetric else "one LU factorisation"
    vertices = count // degree**dimension
    coarse = factor_bytes(vertices, dimension, symmetric=False) if vertices <= LARGEST_COARSE else 0.0
    return MULTIGRID * count + coarse, "multigrid"


def mesh_bytes(count: int, dimension: int) -> float:
    """Memory of all but the factors: measured with up to 111,000 unknowns of degree 4 in 2-D, 156,000 of 2 in 3-D."""
    return PER_UNKNOWN[dimension] * count


def suggested_ranks(case: Case, cores: int) -> int:
    """A sensible number of ranks: one per 60,000 unknowns, at least 1, at most ``cores``."""
    count = unknowns(case.domain, case.discretization.degree)
    return max(1, min(cores, round(count / RANK_UNKNOWNS)))


def summary(case: Case) -> str:
    """The case in one line, such as ``2-D box, 160 x 120 cells, degree 4, 308,321 unknowns``."""
    box, degree = case.domain, case.discretization.degree
    kind = type(box).__name__.lower().replace("meshfile", "mesh")
    return f"{box.dimension}-D {kind}, {box.words}, degree {degree}, {unknowns(box, degree):,} unknowns"


def is_symmetric(case: Case) -> bool:
    """Whether the weight will absorb the drift, so that matrices are symmetric."""
    return case.drift is None and case.noise.shape == "scalar"


def memory(case: Case, *, factors: bool = True) -> float:
    """Bytes that a run needs at least, over all ranks: mesh, matrices, and one solver at a time."""
    count = unknowns(case.domain, case.discretization.degree)
    found, _ = solver_bytes(count, case.dimension, case.discretization.degree, is_symmetric(case))
    return STARTED + mesh_bytes(count, case.dimension) + (found if factors else 0.0)


def seconds(case: Case) -> float:
    """About how long a run takes on one core, in seconds; figures are not counted.

    An assembly takes a time in proportion to the unknowns, a factorisation to N, N^1.5 or N^2 by dimension, a solve to
    the size of the factors; multigrid takes a time in proportion to the unknowns for both. Fitted to runs on a core of
    2026, within a factor of two.
    """
    count = float(unknowns(case.domain, case.discretization.degree))
    factorisation = {
        1: 6e-6 * count,
        2: 1.2e-5 * count + 2.5e-8 * count**1.5,
        3: 4e-5 * count + 1.5e-9 * count**2,
    }[case.dimension]
    solve = {1: 4e-7 * count, 2: 6e-8 * count * math.log2(count + 1), 3: 5e-8 * count ** (4 / 3)}[case.dimension]
    if count > LARGEST_FACTORS[case.dimension]:
        factorisation, solve = 2e-4 * count, 2.5e-5 * count
    asked = {
        "evolution": case.evolution is not None,
        "stationary": case.stationary is not None or case.entropy is not None,
        "exit": len(case.exits),
        "committor": len(case.committors),
    }
    work = sum(number * (WORK[name][0] * factorisation + WORK[name][1] * solve) for name, number in asked.items())
    if case.evolution is not None and case.evolution.method == "sdirk":
        work *= SDIRK
    work *= 1.0 if is_symmetric(case) else TRANSPORT
    return float(SECONDS + work * (ERRORS if case.run.errors else 1.0))


def size_lines(case: Case) -> list[Advice]:
    """Unknowns, memory, time, and what frames take on the disk."""
    count = unknowns(case.domain, case.discretization.degree)
    factors, kind = solver_bytes(count, case.dimension, case.discretization.degree, is_symmetric(case))
    share = f"{in_bytes(factors)} for {kind}"
    text = f"{count:,} unknowns, about {in_bytes(memory(case))} of memory ({share})"
    large = factors >= LARGE
    lines = [Advice("unknowns", f"{text}: {_fewer(case)}, or more ranks on more nodes" if large else text, large)]
    if case.evolution or case.stationary or case.exits or case.committors:
        time = seconds(case)
        text = f"about {in_time(time)} on one core"
        lines.append(Advice("time", f"{text}: {_fewer(case)}, or more ranks" if time > LONG else text, time > LONG))
    return lines + _frames(case, count)


def _frames(case: Case, count: int) -> list[Advice]:
    if case.evolution is None:
        return []
    frames = len(case.evolution.output_times) + 1
    size = 8.0 * count * frames
    if size < MUCH_ON_DISK:
        return []
    text = f"{frames:,} frames of {count:,} values are about {in_bytes(size)} of files; write fewer evolution.frames"
    return [Advice("frames", text, True)]


def _fewer(case: Case) -> str:
    return f"write fewer or larger cells ({case.domain.finer(0.5)[0]})"


def in_bytes(size: float) -> str:
    """``62 MB``, ``1.6 GB`` or ``3.4 TB``."""
    if size >= 1e12:
        return f"{size / 1e12:,.1f} TB"
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{max(1, round(size / 1e6))} MB"


def in_time(seconds: float) -> str:
    """``20 s``, ``3 min``, ``2.5 h`` or ``12 days``: one or two digits are known."""
    for unit, length in (("days", 86_400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2.0 * length:
            return f"{float(f'{seconds / length:.2g}'):,g} {unit}"
    return f"{float(f'{seconds:.1g}'):g} s"
