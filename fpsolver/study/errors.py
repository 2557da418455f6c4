"""Error bars: every problem is solved again, more crudely, and what changes says how far the answer can be trusted.

Two companions: elements of lower degree on the same mesh, and the same elements on cells twice as large. Together they
have about half of the unknowns of the run. See `fpsolver.study.estimate` for what is made of the differences.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from fpsolver.case import Case
from fpsolver.domain.region_mesh import domain_mesh
from fpsolver.problems import Answer, Problem, Setting
from fpsolver.problems.base import NO_ESTIMATE
from fpsolver.problems.committor.between import region_between
from fpsolver.problems.packing import Place
from fpsolver.quantity import Quantity
from fpsolver.study.companions import Companion, coarse, solved_companion
from fpsolver.study.estimate import error
from fpsolver.study.sizes import sized
from fpsolver.study.trees import changed, dotted, lengths, quantities

SWITCHED_OFF = "error estimates are switched off (run.errors)"
INTERRUPTED = "the run was stopped before the error was estimated"

_OPEN = (None, NO_ESTIMATE, SWITCHED_OFF, INTERRUPTED)

Progress = Callable[[float, str], None]

UNDER_RESOLVED = 0.05
"""A relative error that makes the run under-resolved."""

TOO_COARSE = "under-resolved"

PATIENCE = 3
"""A companion that takes so many times the heartbeats of the run is given up: it does not resolve the problem."""

SPARE_BEATS = 300

STEEPER = 3.0
"""The cells of the coarser companion may vary by so many times more nats. They are halved by turns, so with a factor of
two some would come out as large as those of the run, and show nothing."""

LONG = ("evolution", "entropy")
"""Problems that are nearly all solves, so that a companion of the next degree would cost too much."""

BALANCED = ("potential", "integrated")
"""Weights that absorb the whole drift, up to where they are bent."""


def without_errors(answer: Answer, why: str) -> Answer:
    """The answer with the reason at every quantity that has no error."""
    return changed(
        sized(answer), lambda place, quantity: replace(quantity, why=why) if _is_open(quantity) else quantity
    )


def with_errors(problem: Problem, setting: Setting, answer: Answer, beats: int, progress: Progress) -> Answer:
    """The answer with the error of every quantity, and a warning first where the run is under-resolved. Collective.

    Args:
        problem: What was asked.
        setting: How it was answered.
        answer: What was found.
        beats: Heartbeats that it took.
        progress: Takes the finished share and a few words.

    Raises:
        Stopped: The heartbeat said so.
    """
    of_the_mesh = [place for place, quantity in quantities(answer).items() if _is_open(quantity)]
    if not of_the_mesh:
        return answer
    degree = setting.case.discretization.degree
    below = max(1, degree - (2 if answer.name in LONG and degree > 3 else 1))
    limit = PATIENCE * beats + SPARE_BEATS
    lower = coarser = None
    if below < degree:
        lower = solved_companion(
            problem,
            f"of degree {below}",
            replace(setting, progress=_half(progress, 0)),
            lambda: setting.companion(below),
            answer.name,
            limit,
        )
    if coarse(setting.case) is not None:
        coarser = solved_companion(
            problem,
            "on larger cells",
            replace(setting, progress=_half(progress, 1)),
            lambda: _coarser(setting),
            answer.name,
            limit,
        )
    here = lengths(answer)

    def estimated(place: Place, quantity: Quantity) -> Quantity:
        if not _is_open(quantity):
            return quantity
        reasons: list[str] = []
        less = _same(lower, place, here, reasons)
        larger = _same(coarser, place, here, reasons)
        if less is None and larger is None:
            return replace(quantity, why="; ".join(reasons) or "there is no cruder mesh")
        smooth = setting.reference.kind in BALANCED and _is_straight(setting, place)
        return replace(quantity, error=error(quantity, less, larger, degree, below, smooth=smooth), why=None)

    found = changed(answer, estimated)
    return replace(found, warnings=[*under_resolved(found, of_the_mesh, setting.case), *found.warnings])


def under_resolved(answer: Answer, places: Sequence[Place], case: Case) -> list[str]:
    """A warning that names the quantity known least, of those that a mesh knows, and what to change; or nothing."""
    worst, place = 0.0, None
    known = quantities(answer)
    for where in places:
        relative = _relative(known[where])
        if relative > worst:
            worst, place = relative, where
    if worst <= UNDER_RESOLVED or place is None:
        return []
    number = known[place]
    degree = case.discretization.degree
    share = f"{worst:.0%}" if worst < 10.0 else f"{worst:.0e} times its size"
    advice = case.domain.finer(2.0)[0]
    if case.discretization.scheme == "weighted":
        advice += f" or discretization.degree = {degree + 2} (now {degree})"
    return [
        f"{TOO_COARSE}: the error of {dotted(place)} = {number.value:.4g} is about {number.error:.1g} ({share}); "
        f"write {advice}"
    ]


def by_weight(warnings: Sequence[str]) -> list[str]:
    """The warnings, those first that a run is under-resolved."""
    return sorted(warnings, key=lambda warning: not warning.startswith(TOO_COARSE))


def _relative(quantity: Quantity) -> float:
    """The error over the size of the quantity; 0 where it is no number, or known down to the floor."""
    if quantity.value is None or quantity.error is None or quantity.error <= 2.0 * quantity.floor:
        return 0.0
    size = max(math.hypot(quantity.value, quantity.imag or 0.0), quantity.size)
    return quantity.error / size if size > 0.0 else 0.0


def _is_open(quantity: Quantity) -> bool:
    """Whether it is a number without error and without another reason for that."""
    return quantity.value is not None and quantity.error is None and quantity.why in _OPEN


def _is_straight(setting: Setting, place: Place) -> bool:
    """Whether a quantity is an integral, over cells without curved edges."""
    if place[0] not in ("exit", "committor"):
        return place[0] not in ("probes", "splitting")
    assert isinstance(place[1], int)
    return setting.of_mesh.get(("curved", parts_of(setting.case, str(place[0]))[place[1]])) == 0


def parts_of(case: Case, name: str) -> list[str]:
    """Names of the regions whose meshes the parts of an answer belong to."""
    if name == "exit":
        return [wanted.region for wanted in case.exits]
    return [region_between(case, wanted).name for wanted in case.committors] if name == "committor" else []


def _coarser(setting: Setting) -> Setting:
    """The same questions on cells twice as large, of meshes that are graded less."""
    case = coarse(setting.case)
    assert case is not None
    return setting.coarser(case, domain_mesh(setting.domain.comm, case.domain), STEEPER)


def _half(progress: Progress, number: int) -> Progress:
    """The progress of one of two companions."""
    return lambda share, text: progress((number + share) / 2.0, text)


def _same(companion: Companion | None, place: Place, here: Mapping[Place, int], reasons: list[str]) -> Quantity | None:
    """What stands at the same place of a companion; None with a reason where nothing comparable does."""
    if companion is None:
        return None
    if companion.why is not None:
        reasons.append(companion.why)
        return None
    above: Sequence[Place] = [place[:length] for length in range(1, len(place))]
    for where in above:
        if where in here and here[where] != companion.lengths.get(where):
            found = companion.lengths.get(where, 0)
            reasons.append(f"the companion {companion.name} found {found} of {dotted(where)} instead of {here[where]}")
            return None
    quantity = companion.quantities.get(place)
    if quantity is None or quantity.value is None:
        reasons.append(f"the companion {companion.name} has no such number")
        return None
    return quantity
