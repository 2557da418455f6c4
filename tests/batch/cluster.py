"""A cluster that we only pretend to have: commands that note what they were given, and a queue that runs a script."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

from fpsolver.batch.job import Job
from fpsolver.batch.schedulers import SCHEDULERS, Scheduler
from fpsolver.batch.script import script
from tests.launching import without_launcher

# Its arguments, each followed by a zero byte; then the code that stands first in the list, and 0 without a list.
LAUNCHER = """#!/bin/bash
printf '%s\\0' "$@" >> "$NOTES/launched"
echo turn >> "$NOTES/turns"
code=$(head -n 1 "$NOTES/codes" 2>/dev/null)
sed -i 1d "$NOTES/codes" 2>/dev/null
exit "${code:-0}"
"""
# Runs until it is told to stop.
PATIENT = """#!/bin/bash
trap 'echo USR1 >> "$NOTES/heard"; exit 75' USR1
trap 'echo TERM >> "$NOTES/heard"; exit 75' TERM
echo turn >> "$NOTES/turns"
touch "$NOTES/ready"
while :; do sleep 0.05; done
"""
# Runs likewise, and does not listen yet.
DEAF = """#!/bin/bash
touch "$NOTES/ready"
exec sleep 20
"""
NOTING = """#!/bin/bash
printf '%s\\n' "$*" >> "$NOTES/{name}"
{then}
"""
# Slurm ends the script that asks for another turn.
ENDED_BY_SLURM = -9


class Cluster:
    """Fake commands in a folder, and a job whose launcher is one of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.notes = folder / "notes"
        self.bin = folder / "bin"
        self.notes.mkdir()
        self.bin.mkdir()
        self.tool("mpiexec", LAUNCHER)
        self.noting("scontrol", "kill -KILL $PPID")
        self.noting("qsub", "echo 8.server")
        self.environment = without_launcher("FPSOLVER") | {
            "PATH": f"{self.bin}:/usr/bin:/bin",
            "NOTES": str(self.notes),
        }
        self.plain_job = Job(
            name="job",
            nodes=2,
            tasks=3,
            seconds=7200,
            partition=None,
            account=None,
            qos=None,
            memory=None,
            modules=(),
            python=Path("/nowhere/bin/python"),
            launcher=str(self.bin / "mpiexec"),
            restarts=20,
            results=folder / "results",
            here=folder,
            words=("case.toml",),
        )

    def tool(self, name: str, text: str) -> None:
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def noting(self, name: str, then: str) -> None:
        """A command that notes its words and then does something."""
        self.tool(name, NOTING.format(name=name, then=then))

    def note(self, name: str) -> list[str]:
        """The lines that a command has noted."""
        path = self.notes / name
        return path.read_text().splitlines() if path.exists() else []

    def start(self, text: str, **more: str) -> subprocess.Popen[str]:
        """Start a script as a scheduler does."""
        path = self.folder / "job.sh"
        path.write_text(text, encoding="utf-8")
        assert subprocess.run(["bash", "-n", str(path)], check=False).returncode == 0, text
        return subprocess.Popen(
            ["bash", str(path)],
            env=self.environment | more,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def turn(self, text: str, **more: str) -> tuple[int, str]:
        """Run a script to its end; its exit code and what it said."""
        process = self.start(text, **more)
        said, _ = process.communicate(timeout=30)
        return process.returncode, said

    def queue(self, scheduler: str, **changes: object) -> list[int]:
        """Run a job turn after turn, as long as it queues again; the exit code of each."""
        kind: Scheduler = SCHEDULERS[scheduler]
        text = script(replace(self.plain_job, **changes), kind)  # type: ignore[arg-type]
        asks = {"slurm": "scontrol", "pbs": "qsub"}[scheduler]
        codes: list[int] = []
        while len(self.note(asks)) == len(codes) and len(codes) < 10:
            turn = {"SLURM_JOB_ID": "7", "SLURM_RESTART_COUNT": str(len(codes))}
            if scheduler == "pbs":
                turn = {"PBS_JOBID": f"{7 + len(codes)}.server"}
                turn |= dict(self.note("qsub")[-1].split()[1].split("=") for _ in codes[:1])
            codes.append(self.turn(text, **turn)[0])
        return codes
