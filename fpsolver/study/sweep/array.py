"""A family as a job array of Slurm: a script whose tasks run a member each, as ``fpsolver submit`` runs a case."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fpsolver.batch.job import Job
from fpsolver.batch.schedulers import SCHEDULERS
from fpsolver.batch.script import script
from fpsolver.batch.times import seconds_of
from fpsolver.batch.words import job_name, memory, plain, quoted
from fpsolver.errors import ExitCode
from fpsolver.runtime import Console, say
from fpsolver.runtime.launchers import launcher_of_this_python
from fpsolver.study.sweep.family import Family
from fpsolver.study.sweep.place import member_folder, opened
from fpsolver.study.sweep.record import verdict
from fpsolver.study.sweep.sweeping import pending
from fpsolver.study.sweep.table import Table

_TURNS = 20  # how often a task may queue again

_HERE = "MEMBER"  # stands for the words of the member in the script of a single job
_CHOICE = """\
# What `fpsolver run` is told, by the number of the task.
case $SLURM_ARRAY_TASK_ID in
{choices}
  *) exit 2 ;;
esac
"""


def array_script(job: Job, members: Sequence[Sequence[str]]) -> str:
    """The text of the script.

    Args:
        job: What each task is; its words are not used.
        members: What follows ``fpsolver run``, for each task.

    Raises:
        BadUsage: A word has no place in a script.
    """
    slurm = SCHEDULERS["slurm"]

    def directives(job: Job) -> list[str]:
        return [*slurm.directives(job), f"#SBATCH --array=0-{len(members) - 1}"]

    text = script(replace(job, words=(_HERE,)), replace(slurm, directives=directives))
    choices = [f"  {number}) member=({' '.join(map(quoted, words))}) ;;" for number, words in enumerate(members)]
    before, line, after = text.partition("command=(\n")
    assert line
    assert after.count(f"  {_HERE}\n") == 1
    return (
        before + _CHOICE.format(choices="\n".join(choices)) + line + after.replace(f"  {_HERE}\n", '  "${member[@]}"\n')
    )


def print_array(args: argparse.Namespace, family: Family, root: Path) -> ExitCode:
    """Print the script of the members that are still to be run, and enter the family in its folder.

    The same command without ``--array`` gathers what the tasks have found.

    Raises:
        BadUsage: There can be no such job, or the folder is not ours, in use, or holds something else.
    """
    results = Path(os.path.abspath(root))
    case = os.path.abspath(family.case)
    tail = ["--", *args.petsc] if args.petsc else []
    job = _job(args, results)
    words = {
        member.name: [
            *(case, "-o", str(member_folder(results, member.name))),
            *(f"--set={override}" for override in family.overrides(member.values)),
            *tail,
        ]
        for member in family.members
    }
    array_script(job, list(words.values()))  # so that all mistakes are told before anything is written
    with opened(root, family, fresh=args.fresh) as folder:
        names = pending(family, folder, retry=args.retry)
        folder.save(Table(root, folder.record).as_csv())
        outcome = verdict([folder.record.entries[member.name] for member in family.members])
    if not names:
        Console(stream=sys.stderr).say(f"{root}: nothing is left to do for {len(family.members)} members")
        return outcome
    say(array_script(job, [words[name] for name in names]).rstrip("\n"))
    return ExitCode.DONE


def _job(args: argparse.Namespace, results: Path) -> Job:
    """Each task: its ranks on one node."""
    return Job(
        name=job_name(results.name, SCHEDULERS["slurm"].longest_name),
        nodes=1,
        tasks=args.ranks,
        seconds=seconds_of(args.time),
        partition=None if args.partition is None else plain("--partition", args.partition),
        account=None if args.account is None else plain("--account", args.account),
        qos=None,
        memory=None if args.memory is None else memory(args.memory),
        modules=(),
        python=Path(sys.executable),
        launcher=launcher_of_this_python() or "mpiexec",
        restarts=_TURNS,
        results=results,
        here=Path.cwd(),
        words=(),
    )
