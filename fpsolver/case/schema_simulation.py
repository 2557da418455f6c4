"""The keys of ``[simulation]`` and how minibatches are drawn, of which `fpsolver.case.schema` is the whole."""

from __future__ import annotations

from fpsolver.case.keys import Key, Kind

__all__ = ["SIMULATION"]

K = Kind

SIMULATION: tuple[Key, ...] = (
    Key(
        "noise",
        "replacement",
        K.BOOLEAN,
        "whether a row may come twice in a minibatch; if not, D has the factor (N - B)/(N - 1)",
        default=True,
    ),
    Key(
        "simulation",
        "kind",
        K.TEXT,
        "sde: the diffusion alone; sgd: real minibatches of the data beside it",
        "sde",
        choices=("sde", "sgd"),
    ),
    Key("simulation", "walkers", K.INTEGER, "number of walkers", default=20000, least=2, most=10**8, example="20000"),
    Key("simulation", "seed", K.INTEGER, "seed of the random numbers", default=1, least=0, most=2**63 - 1, example="1"),
    Key(
        "simulation",
        "step",
        K.NUMBER,
        "largest time step of the diffusion; chosen from the case if not given",
        above=0,
        unit="time",
        example="0.01",
    ),
    Key(
        "simulation",
        "max_time",
        K.NUMBER,
        "walkers are followed until then; chosen so that the work is limited if not given",
        above=0,
        unit="time",
        example="1000.0",
    ),
)
