"""The keys of ``[concentration]``, of which `fpsolver.case.schema` is the whole."""

from __future__ import annotations

from fpsolver.case.keys import Key, Kind

__all__ = ["CONCENTRATION"]

K = Kind

CONCENTRATION: tuple[Key, ...] = (
    Key(
        "concentration",
        "radius",
        K.NUMBER,
        "of the balls around the minima in which bounds hold; chosen so that noise is least likely to lead out",
        above=0,
        unit="parameter",
        example="0.5",
    ),
    Key(
        "concentration",
        "within",
        K.NUMBER,
        "the mass shall gather so close to the minima; between noise floor and radius if not given",
        above=0,
        unit="parameter",
        example="0.2",
    ),
    Key(
        "concentration",
        "share",
        K.NUMBER,
        "of the mass, that may be left farther away",
        default=0.1,
        above=0,
        most=0.9,
        unit="-",
        example="0.05",
    ),
    Key(
        "concentration",
        "tolerance",
        K.NUMBER,
        "the drift regime is over when no mass of a basin changes by more in a relaxation time",
        default=0.01,
        above=0,
        most=1,
        unit="-",
        example="0.001",
    ),
)
