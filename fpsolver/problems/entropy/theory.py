"""What theory says about the rate of decay, from drift and diffusion alone: which theorem applies, what it promises.

The theorems are evaluated once per run, on rank 0, by `fpsolver.model`; here their results become one table beside the
rates that were measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fpsolver.model import Array
from fpsolver.model.contraction import Coupling, coupling
from fpsolver.model.curvature import Curvature, curvature
from fpsolver.model.envelope import Envelope, envelope
from fpsolver.model.field import Field
from fpsolver.model.modified import Contraction, ModifiedEntropy, contraction_of, modified_entropy
from fpsolver.model.stated import stated
from fpsolver.model.walls import oblique
from fpsolver.problems.base import Setting
from fpsolver.problems.entropy.table import Kind, Measured, Theorem, row
from fpsolver.problems.wording import number, placed
from fpsolver.quantity import Quantity
from fpsolver.runtime import on_root

ENTROPIES = ("kl", "chi2", "power")

WITHOUT_DENSITY = "noise does not reach all directions: the stationary state is no density, and entropies are infinite"
INSIDE = "for the process with its walls"
OUTSIDE = "for the process without walls ({}), so as long as next to no mass is near them"


@dataclass(frozen=True)
class DecayTheory:
    """All that is known of the decay without a mesh.

    Attributes:
        curvature: Of Bakry and Émery.
        modified: Entropies with a metric of their own.
        coupling: Paths with the same noise, in the norm of the coordinates.
        norm: The metric in which such paths approach each other fastest, for constant noise.
        envelope: The inequality by convex envelopes.
        walls: What walls lack for paths not to part at them: in the norm of the coordinates, and in that of ``norm``.
        balanced: Detailed balance is known.
        positive: D is constant and positive definite.
    """

    curvature: Curvature
    modified: ModifiedEntropy
    coupling: Coupling
    norm: Contraction
    envelope: Envelope
    walls: tuple[str | None, str | None]
    balanced: bool
    positive: bool


def theory_of_decay(
    setting: Setting, measured: Mapping[str, Measured], gap: Quantity | None, balanced: bool | None = None
) -> dict[str, object]:
    """The theorems on decay with what they need, and a table of what they promise beside what happened. Collective.

    Args:
        setting: The case.
        measured: Late rates r of e^(-rt) by kind: ``kl``, ``chi2``, ``power``, ``wasserstein`` (of W₂, not its square).
        gap: The spectral gap, or the smallest non-zero real part of the spectrum.
        balanced: Whether detailed balance holds, where that has been found out.
    """
    known = decay_theory(setting)
    names = setting.case.coordinates
    is_balanced = known.balanced if balanced is None else balanced
    theorems = [
        _bakery(known.curvature, names),
        _modified(known, names),
        _wasserstein(known, names),
        _holley_stroock(known),
        _gap(gap, is_balanced, measured),
    ]
    return {
        "bakry_emery": _curvature_entry(known.curvature),
        "modified_entropy": _modified_entry(known.modified, names),
        "wasserstein": _coupling_entry(known),
        "holley_stroock": _envelope_entry(known.envelope),
        "theory": [row(theorem, measured, gap) for theorem in theorems],
    }


def decay_theory(setting: Setting) -> DecayTheory:
    """What is known of the decay without a mesh, made once and kept. Collective; rank 0 does the work."""
    comm, model, domain = setting.domain.comm, setting.model, setting.case.domain
    return setting.of_model.once("decay theory", lambda: on_root(comm, lambda: known_decay(Field(model, domain))))


def known_decay(field: Field) -> DecayTheory:
    """All theorems for the coefficients of a model in a domain."""
    modified = modified_entropy(field)
    if field.diffusion is None or modified.drift != "reversed":
        norm = modified.contraction
    else:
        norm = contraction_of(field, lambda at: at.jacobian)
    return DecayTheory(
        curvature(field),
        modified,
        coupling(field),
        norm,
        envelope(field),
        (oblique(field), None if norm.metric is None else oblique(field, norm.metric)),
        field.dimension == 1 or modified.drift == "reversible" or stated(field) == "balance",
        field.diffusion is not None and bool(np.linalg.eigvalsh(field.diffusion)[0] > 1e-12 * field.diffusion.max()),
    )


def _bakery(found: Curvature, names: Sequence[str]) -> Theorem:
    where = "everywhere" if found.point is None else f"at {placed(names, found.point)}"
    infinite = _why_infinite(found)
    if infinite is not None:
        applies, why = False, infinite
    elif found.value <= 0.0:
        applies, why = False, f"the curvature is {number(found.value)} {where}; it has to be positive"
    elif found.singular:
        applies, why = False, WITHOUT_DENSITY
    else:
        applies, why = True, f"the curvature is at least {number(found.value)} ({where}); {_walls(found.walls)}"
    return Theorem("Bakry-Emery", Kind.ALWAYS, ENTROPIES, 2.0 * found.value if applies else None, why)


def _modified(known: DecayTheory, names: Sequence[str]) -> Theorem:
    found = known.modified.contraction
    late: float | None = None
    if found.rate is None:
        why = _why_not(found, names)
    elif known.modified.reached < len(names):
        why = WITHOUT_DENSITY
    elif known.modified.drift == "own" and not known.positive:
        why = "D is singular and the stationary density is not known by a formula; see Wasserstein contraction"
    else:
        late = 2.0 * found.rate
        why = {
            "own": "a constant metric contracts the drift, and D is positive definite",
            "reversible": "a constant metric contracts the drift, which is reversible",
            "reversed": "a constant metric contracts the reversed drift",
        }[known.modified.drift]
        why += "; just below the rate of a Jordan block, which has a power of the time as factor" * found.defective
        is_reversed = known.modified.drift == "reversed"
        why += f"; {_walls('where its density is the one that is known' if is_reversed else known.walls[1])}"
    return Theorem("modified entropy", Kind.LATE, ENTROPIES, late, why)


def _wasserstein(known: DecayTheory, names: Sequence[str]) -> Theorem:
    found, norm = known.coupling, known.norm
    where = "everywhere" if found.point is None else f"at {placed(names, found.point)}"
    rate: float | None = found.rate if found.rate > 0.0 else None
    kind, walls = Kind.ALWAYS, known.walls[0]
    if found.rate == -np.inf:
        why = f"the square root of D is not Lipschitz {where}"
    elif rate is None:
        why = f"paths with the same noise part, at the rate {number(-found.rate)} {where}"
    else:
        why = f"paths with the same noise approach each other at {number(rate)} or faster"
    if norm.rate is not None and norm.rate > (rate or 0.0) * (1.0 + 1e-6):
        rate, kind, walls = norm.rate, Kind.LATE, known.walls[1]
        why = f"paths with the same noise approach each other at {number(norm.rate)} or faster in a norm of their own"
    return Theorem("Wasserstein contraction", kind, ("wasserstein",), rate, f"{why}; {_walls(walls)}" if rate else why)


def _holley_stroock(known: DecayTheory) -> Theorem:
    found = known.envelope
    if found.rate is None:
        return Theorem("Holley-Stroock", Kind.ALWAYS, ENTROPIES, None, str(found.why))
    why = f"-log of the density lies within {number(found.oscillation)} nats of a convex function"
    if not known.balanced:
        why += f"; {OUTSIDE.format('along which a current flows')}"
    return Theorem("Holley-Stroock", Kind.ALWAYS, ENTROPIES, 2.0 * found.rate, why)


def _gap(gap: Quantity | None, balanced: bool, measured: Mapping[str, Measured]) -> Theorem:
    if gap is None or gap.value is None:
        why = "the spectrum was not computed" if gap is None or gap.why is None else gap.why
        return Theorem("spectral gap", Kind.LATE, ENTROPIES, None, why)
    promise = Quantity(2.0 * gap.value, scale="log")
    if balanced and measured.get("chi2") is not None:
        return Theorem("spectral gap", Kind.ALWAYS, ("chi2",), promise, "detailed balance")
    why = "detailed balance; for entropies other than chi2" if balanced else "no detailed balance is known"
    return Theorem("spectral gap", Kind.LATE, ENTROPIES, promise, f"{why}: up to a factor, for late times")


def _why_infinite(found: Curvature) -> str | None:
    if found.why is None:
        return None
    return f"the curvature is {'minus infinity' if found.value < 0.0 else 'not defined'}: {found.why}"


def _why_not(found: Contraction, names: Sequence[str]) -> str:
    """Why there is no metric, and at which point."""
    return f"{found.why}{'' if found.point is None else f', at {placed(names, found.point)}'}"


def _walls(lack: str | None) -> str:
    return INSIDE if lack is None else OUTSIDE.format(lack)


def _rate(value: float | None, why: str | None) -> Quantity:
    return Quantity(None, why=why) if value is None else Quantity(float(value), 0.0)


def _curvature_entry(found: Curvature) -> dict[str, object]:
    reason = _why_infinite(found)
    value = None if reason else found.value
    none = "the curvature is not positive" if reason is None else reason
    entry: dict[str, object] = {
        "curvature": _rate(value, reason),
        "rate": _rate(2.0 * found.value if value is not None and value > 0.0 else None, none),
    }
    return entry | _at(found.point) | ({} if found.walls is None else {"walls": found.walls})


def _modified_entry(found: ModifiedEntropy, names: Sequence[str]) -> dict[str, object]:
    best = found.contraction
    why = _why_not(best, names)
    entry: dict[str, object] = {"mu": _rate(best.rate, why), "rate": _rate(_twice(best.rate), why)}
    if best.metric is not None:
        entry |= {"drift": found.drift, "matrix": _rows(best.metric), "defective": best.defective}
    return entry | _at(best.point) | {"directions_reached": found.reached}


def _coupling_entry(known: DecayTheory) -> dict[str, object]:
    found, norm = known.coupling, known.norm
    rough = "infinite: the square root of D is not Lipschitz"
    part = rough if np.isinf(found.rough) else "paths with the same noise part somewhere"
    entry: dict[str, object] = {
        "monotonicity": Quantity(float(found.monotone), 0.0),
        "roughness": _rate(None if np.isinf(found.rough) else found.rough, rough),
        "rate": _rate(found.rate if found.rate > 0.0 else None, part),
    }
    entry |= _at(found.point)
    if norm.rate is not None and norm.metric is not None:
        entry |= {"rate_in_norm": Quantity(norm.rate, 0.0), "norm": _rows(np.linalg.inv(norm.metric))}
    return entry


def _envelope_entry(found: Envelope) -> dict[str, object]:
    entry: dict[str, object] = {"constant": _rate(found.rate, found.why), "rate": _rate(_twice(found.rate), found.why)}
    if found.rate is not None:
        entry |= {"convexity": Quantity(found.convexity, 0.0), "oscillation": Quantity(found.oscillation, 0.0)}
    return entry


def _twice(value: float | None) -> float | None:
    return None if value is None else 2.0 * value


def _at(point: Array | None) -> dict[str, object]:
    return {} if point is None else {"point": [float(x) for x in point]}


def _rows(matrix: Array) -> list[list[float]]:
    return [[float(entry) for entry in line] for line in matrix]
