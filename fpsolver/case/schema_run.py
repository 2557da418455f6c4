"""The keys of ``[output]`` and ``[run]``, of which `fpsolver.case.schema` is the whole."""

from __future__ import annotations

from fpsolver.case.keys import Key, Kind

__all__ = ["RUN"]

K = Kind

RUN: tuple[Key, ...] = (
    Key("output", "format", K.TEXT, "files for ParaView", "vtkhdf", choices=("vtkhdf", "pvd")),
    Key("output", "figures", K.BOOLEAN, "draw figures", default=True),
    Key(
        "run",
        "walltime",
        K.TEXT,
        "stop in order before so much time has passed, HH:MM:SS; auto: before a batch job ends",
        default="auto",
        example='"02:30:00"',
    ),
    Key(
        "run",
        "checkpoint_every",
        K.TEXT,
        "time between two checkpoints of an evolution, HH:MM:SS; whatever is solved is kept at once",
        default="00:05:00",
        example='"00:20:00"',
    ),
    Key(
        "run",
        "checkpoint_states",
        K.INTEGER,
        "a checkpoint after so many states of an evolution, too",
        least=1,
        example="100",
    ),
    Key("run", "errors", K.BOOLEAN, "estimate the error of every number, by solving again more crudely", default=True),
)
