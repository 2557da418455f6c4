"""What a case wants to be measured along its evolution."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Entropy:
    """Relative entropies along the evolution; ``power`` is the exponent of the kind of that name."""

    kinds: tuple[str, ...]
    power: float


@dataclass(frozen=True)
class Splitting:
    """Which share of the mass each minimum of the loss receives.

    Attributes:
        radius: Of the neighbourhoods that count as the minima; None: as far as the noise shakes.
    """

    radius: float | None


@dataclass(frozen=True)
class Concentration:
    """How the drift gathers the mass around the minima of the loss.

    Attributes:
        radius: Of the balls around the minima in which bounds hold; None: where noise is least likely to lead out.
        within: Of the smaller balls in which the mass shall gather; None: between noise floor and
            radius.
        share: Of the mass, that may be left outside of these.
        tolerance: The drift regime ends when masses of basins change by less in a relaxation time.
    """

    radius: float | None
    within: float | None
    share: float
    tolerance: float
