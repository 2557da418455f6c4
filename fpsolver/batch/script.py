"""The script of a job: bash that runs a case for one turn, and then queues again if the case is not done.

What users wrote is in it only as quoted words of assignments and commands; directives hold plain names (see `words`).
"""

from __future__ import annotations

from pathlib import Path

from fpsolver.batch.job import Job
from fpsolver.batch.schedulers import Scheduler
from fpsolver.batch.words import quoted

MARK = "# Written by fpsolver submit, which replaces it when the case is submitted again."

_MODULES = """\
# Where the shell of a job does not know modules yet, the files for login shells say how.
type module >/dev/null 2>&1 || . /etc/profile
module load {names} || exit 2
"""

_LOG = """\
# PBS shows output only when a job has ended, so it goes to a file that can be followed.
exec >>{beginning}-"{log}".out 2>&1
"""

_TURN = """\
turn={turn}
say() { echo "fpsolver submit: $1"; }

# USR1 says that the time is nearly up. TERM is somebody's wish (a job that is cancelled, or has to make room for
# another), and a cancelled job must not come back.
asked=
pid=
forward() {
  [ "$asked" = TERM ] || asked=$1
  if [ -n "$pid" ]; then kill -s "$1" "$pid" 2>/dev/null; fi
}
trap 'forward USR1' USR1
trap 'forward TERM' TERM
"""

_RUN = """\
stay() { say "$1; submit the case again to continue"; exit 75; }
heed() { [ ! -e "$results/STOP" ] || stay "stopped by $results/STOP, which is yours to delete"; }
heed # it may have come between two turns

say "turn $turn begins on $(uname -n)"
"${command[@]}" &
pid=$!
if [ -n "$asked" ]; then kill -s "$asked" "$pid"; fi # it came before there was anybody to tell
while kill -0 "$pid" 2>/dev/null; do wait "$pid"; done # a signal ends wait, but not the run
wait "$pid"
code=$?
pid=
say "turn $turn ended with code $code"

# 0 done, 2 bad case, 3 solver failed, 4 certificate failed: another turn would end alike. 75 is a stop in order, and so
# is whatever comes of a USR1 that the run was not yet listening for.
case $code in
  0 | 2 | 3 | 4) exit "$code" ;;
  75) ;;
  *) [ "$asked" = USR1 ] || exit "$code" ;;
esac
heed
[ "$asked" != TERM ] || stay "ended by TERM"
[ "$turn" -le "$restarts" ] || stay "not done after $turn turns (--max-restarts $restarts)"
say "queues again"
# The scheduler may end this script at once, so nothing that matters can follow.
"""


def script(job: Job, scheduler: Scheduler) -> str:
    """The text of the script.

    Raises:
        BadUsage: A word has no place in a script, or the scheduler has no such thing.
    """
    assigned = [f"results={_quoted(job.results)}", f"restarts={job.restarts}"]
    if "$script" in scheduler.again:
        assigned.append(f"script={_quoted(script_path(job, scheduler))}")
    parts = [
        "\n".join(["#!/bin/bash", MARK, *scheduler.directives(job)]) + "\n",
        "\n".join([f"cd -- {_quoted(job.here)} || exit 2", *assigned]) + "\n",
        _LOG.format(beginning=_quoted(job.folder / job.name), log=scheduler.log) if scheduler.log else "",
        _TURN.replace("{turn}", scheduler.turn),
        _environment(job),
        _command(job, scheduler),
        f'{_RUN}{scheduler.again} && exit 75\nstay "the scheduler refuses"\n',
    ]
    return "\n".join(part for part in parts if part)


def script_path(job: Job, scheduler: Scheduler) -> Path:
    """Where the script lies."""
    return job.folder / f"{job.results.name}{scheduler.suffix}"


def _environment(job: Job) -> str:
    modules = _MODULES.format(names=" ".join(quoted(name) for name in job.modules)) if job.modules else ""
    path = f'export PATH={_quoted(job.environment / "bin")}:"$PATH"\n' if job.environment else ""
    return f"{modules}{path}export OMP_NUM_THREADS=1\n"


def _command(job: Job, scheduler: Scheduler) -> str:
    """One line for the launcher, one for the program, then a word a line."""
    launcher = " ".join(quoted(word) for word in scheduler.launch(job))
    lines = [launcher, f"{_quoted(job.python)} -m fpsolver run", *(quoted(word) for word in job.words)]
    return "\n".join(["command=(", *(f"  {line}" for line in lines), ")"]) + "\n"


def _quoted(path: Path) -> str:
    return quoted(str(path))
