"""The results folder of a run as all ranks see it: rank 0 touches the disk, all learn the outcome."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from mpi4py import MPI

from fpsolver.case import Case, dump
from fpsolver.errors import BadUsage, ExitCode, FpsolverError
from fpsolver.output.checkpoint import FOLDER as CHECKPOINT
from fpsolver.output.collective import on_root
from fpsolver.output.figures import FIGURES, draw
from fpsolver.output.results import FILE, read_results, write_results
from fpsolver.output.state import read_state
from fpsolver.runtime import Console, RunFolder, RunLog, StopFlag, atomic

OF_THE_JOB = ("walltime", "checkpoint_every", "checkpoint_states")
"""Keys of [run] that results do not depend on: a run may be taken up with others."""


class Place:
    """A results folder, locked while the ``with`` block runs. All methods but `path` are collective."""

    def __init__(self, comm: MPI.Intracomm, folder: Path) -> None:
        self.folder = folder
        self._comm = comm
        self._owned: RunFolder | None = None  # on rank 0 only
        self._log: RunLog | None = None
        self._identity = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._log is not None:
            if error is not None:
                self._log.write(str(error) if isinstance(error, FpsolverError) else repr(error))
            self._log.close()
        if self._owned is not None:
            self._owned.release()

    def claim(self, case: Case, *, fresh: bool, purpose: str = "") -> bool:
        """Lock the folder for a case; False if its finished results are there already.

        Args:
            case: The case.
            fresh: Discard earlier results of ours.
            purpose: What is done with the case, where it is not a run; other results of it are another case.

        Raises:
            BadUsage: The folder is not ours, in use, or holds results of another case.
        """
        self._identity = _identity(case, purpose)

        def claim() -> bool:
            self._owned = RunFolder.open(self.folder, fresh=fresh)
            status, earlier = self._owned.status, self._owned.identity
            if status == "finished" and earlier == self._identity:
                return False
            if status != "empty" and earlier != self._identity:
                raise BadUsage(
                    f"{self.folder} holds results of another case, or of this one before it was changed; "
                    "choose another folder with -o DIR, or discard them with --fresh"
                )
            if not any(self.folder.glob(f"{CHECKPOINT}/*.npz")):
                self._owned.clear()  # what an unfinished run of the same case left
            self._owned.begin(self._identity)
            atomic.write_text(self._owned.path("case.toml"), dump(case))
            return True

        return on_root(self._comm, claim, self.folder)

    @property
    def identity(self) -> str:
        """Of what `claim` was given: a hash of all that its results depend on."""
        return self._identity

    def path(self, name: str, templates: Sequence[str] = ()) -> Path:
        """The path of a file of ours, noted as such before it is written (see `RunFolder.path`); on rank 0 only."""
        assert self._owned is not None
        return self._owned.path(name, templates)

    def open_log(self) -> RunLog | None:
        """``run.log``, on rank 0."""

        def open_log() -> None:
            self._log = RunLog(self.path("run.log"))

        on_root(self._comm, open_log, self.folder / "run.log")
        return self._log

    def write_results(self, results: dict[str, object]) -> None:
        """Write ``results.json``."""

        def write() -> None:
            self.path(FILE)
            write_results(self.folder, results)

        on_root(self._comm, write, self.folder / FILE)

    def write_text(self, name: str, text: str) -> None:
        """Write a file of ours."""
        on_root(self._comm, lambda: atomic.write_text(self.path(name), text), self.folder / name)

    def draw(self, console: Console, stop: StopFlag) -> bool:
        """Draw all figures that the run has data for; a figure that fails is a warning, not a lost run.

        Returns:
            False where a signal has cut it short.
        """

        def paint() -> bool:
            assert self._owned is not None
            self._owned.paths([f"{name}.png" for name in FIGURES])
            try:
                with console.hearing("fpsolver"):
                    return stop.unless_asked(lambda: draw(self.folder)) is not None
            except Exception as error:  # a plotting library may raise anything; the numbers are safe by now
                console.warn(f"figures: {type(error).__name__}: {error}; try again with fpsolver plot {self.folder}")
                return True

        return on_root(self._comm, paint, self.folder)

    def finish(self) -> None:
        """Record that the run is complete."""

        def finish() -> None:
            assert self._owned is not None
            self._owned.finish(self._identity)

        on_root(self._comm, finish, self.folder)

    def earlier_verdict(self, name: str = FILE) -> ExitCode:
        """The exit code of what is finished in the folder, by the certificate in the named file."""

        def verdict() -> ExitCode:
            entry = read_results(self.folder, name).get("certificate")
            passed = isinstance(entry, dict) and entry.get("passed") is True
            return ExitCode.DONE if passed else ExitCode.CERTIFICATE_FAILED

        return on_root(self._comm, verdict, self.folder)


def _identity(case: Case, purpose: str) -> str:
    """A hash of all that the results depend on: the resolved case, the contents of its data, and what is done."""
    settings = case.resolved["run"]
    assert isinstance(settings, Mapping)
    told = {**case.resolved, "run": {name: settings[name] for name in settings if name not in OF_THE_JOB}}
    digest = hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode())
    digest.update(purpose.encode())
    for source in case.files:
        digest.update(source.read_bytes())
    if case.evolution is not None and case.evolution.initial.file is not None:
        start = read_state(case.evolution.initial.file)
        for array in (start.points, start.values):
            digest.update(array.tobytes())
    return digest.hexdigest()
