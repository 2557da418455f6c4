"""What a job is, whatever scheduler runs it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Job:
    """One case on some nodes.

    Attributes:
        name: Of the job; plain, for any scheduler.
        nodes: How many.
        tasks: Ranks on each of them.
        seconds: Of one turn, after which the scheduler ends it.
        partition: Or queue; None: the cluster's default.
        account: Whom to charge.
        qos: Quality of service.
        memory: Of each node, such as ``16G``.
        modules: Loaded before the run.
        python: The interpreter that runs fpsolver; a path.
        launcher: ``srun``, or the ``mpiexec`` to use.
        restarts: How often the job may queue again.
        results: The results folder; absolute.
        here: Where the command was given; names in it are relative to this.
        words: What follows ``fpsolver run``.
    """

    name: str
    nodes: int
    tasks: int
    seconds: int
    partition: str | None
    account: str | None
    qos: str | None
    memory: str | None
    modules: tuple[str, ...]
    python: Path
    launcher: str
    restarts: int
    results: Path
    here: Path
    words: tuple[str, ...]

    @property
    def ranks(self) -> int:
        """Of all nodes."""
        return self.nodes * self.tasks

    @property
    def folder(self) -> Path:
        """Where script and log lie: beside the results, which belong to the run alone."""
        return self.results.parent

    @property
    def environment(self) -> Path | None:
        """The virtual environment of the interpreter, if it is in one."""
        prefix = self.python.parent.parent
        return prefix if (prefix / "pyvenv.cfg").is_file() else None
