"""``fpsolver submit`` as a user meets it: what is printed, written and refused."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from cluster import Cluster

CASE = """title = "a small case"
[domain]
lower = [-2.0]
upper = [2.0]
cells = [24]
[loss]
expression = "(x**2 - 1)**2/4"
[noise]
diffusion = 0.1
[stationary]
"""
SIZE = ("--nodes", "2", "--tasks-per-node", "8", "--time", "02:30:00")


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


Here = Callable[..., Outcome]


@pytest.fixture
def here(cluster: Cluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    """Runs a command beside a case, on a cluster with an ``sbatch`` that gives numbers."""
    cluster.noting("sbatch", "echo '12;somewhere'")
    monkeypatch.setenv("PATH", f"{cluster.bin}:/usr/bin:/bin")
    monkeypatch.setenv("NOTES", str(cluster.notes))
    (cluster.folder / "small.toml").write_text(CASE)
    monkeypatch.chdir(cluster.folder)

    def run(*words: str) -> Outcome:
        from fpsolver.cli import main

        try:
            code = main(words)
        except SystemExit as stopped:  # from argparse
            code = int(stopped.code or 0)
        text = capsys.readouterr()
        return Outcome(code, text.out, text.err)

    return run


def files(folder: Path) -> set[str]:
    """What is there besides the cluster and the case."""
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    return {name for name in found if not name.startswith(("bin/", "notes/"))} - {"small.toml"}


def test_a_dry_run_prints_the_script_and_writes_nothing(cluster: Cluster, here: Here) -> None:
    options = ("--partition", "gpu", "--account", "ab12", "--qos", "long", "--memory", "16G", "--name", "my job")
    run = here("submit", "small.toml", *SIZE, *options, "--set", "noise.diffusion=0.2", "--dry-run", "--", "-log_view")
    assert (run.code, run.err) == (0, "")
    lines = run.out.splitlines()
    assert lines[0] == "#!/bin/bash"
    assert [line.removeprefix("#SBATCH --") for line in lines if line.startswith("#SBATCH")] == [
        "job-name=my_job",
        "nodes=2",
        "ntasks-per-node=8",
        "time=02:30:00",
        "partition=gpu",
        "account=ab12",
        "qos=long",
        "mem=16G",
        "output=my_job-%j.out",
        "open-mode=append",
        "signal=B:USR1@450",
        "requeue",
    ]
    assert f"{Path(sys.executable).with_name('mpiexec')} -n 16" in run.out
    begin = lines.index("command=(")
    assert [line.strip() for line in lines[begin + 3 : lines.index(")", begin)]] == [
        str(cluster.folder / "small.toml"),
        "-o",
        str(cluster.folder / "results" / "small"),
        "--set=noise.diffusion=0.2",
        "--",
        "-log_view",
    ]
    assert files(cluster.folder) == set()
    assert cluster.note("sbatch") == []


def test_a_dry_run_for_pbs(cluster: Cluster, here: Here) -> None:
    run = here(
        "submit", "small.toml", *SIZE, "--memory", "16G", "--partition", "long", "--scheduler", "pbs", "--dry-run"
    )
    assert (run.code, run.err) == (0, "")
    assert [line.removeprefix("#PBS ") for line in run.out.splitlines() if line.startswith("#PBS")] == [
        "-N small",
        "-l select=2:ncpus=8:mpiprocs=8:mem=16gb",
        "-l walltime=02:30:00",
        "-q long",
        "-j oe",
        "-r y",
    ]
    assert "--signal=USR1 8550 " in run.out
    assert files(cluster.folder) == set()


def test_srun_and_modules_and_another_environment(cluster: Cluster, here: Here) -> None:
    (cluster.folder / "bin" / "python").touch()
    (cluster.folder / "pyvenv.cfg").touch()
    words = ("--launcher", "srun", "--module", "gcc/13", "--module", "dolfinx/0.11", "--venv", ".")
    run = here("submit", "small.toml", *SIZE, *words, "--dry-run")
    assert "module load gcc/13 dolfinx/0.11 || exit 2" in run.out
    assert f'export PATH={cluster.bin}:"$PATH"' in run.out
    assert f"  srun --mpi=pmi2\n  {cluster.bin}/python -m fpsolver run\n" in run.out


def test_a_case_is_submitted_and_the_user_learns_what_to_do_with_the_job(cluster: Cluster, here: Here) -> None:
    run = here("submit", "small.toml", *SIZE)
    assert (run.code, run.err) == (0, "")
    script = cluster.folder / "results" / "small.sbatch"
    assert files(cluster.folder) == {"results/small.sbatch"}
    assert cluster.note("sbatch") == [f"--parsable {script}"]
    assert script.read_text() == here("submit", "small.toml", *SIZE, "--dry-run").out
    for words in ("job 12", "tail -F results/small-12.out", "touch results/small/STOP", "--signal=USR1 --batch 12"):
        assert words in run.out
    assert here("submit", "small.toml", *SIZE, "--nodes", "1").code == 0  # and replaces the script
    assert "--nodes=1" in script.read_text()


def test_a_script_of_somebody_else_is_not_replaced(cluster: Cluster, here: Here) -> None:
    script = cluster.folder / "results" / "small.sbatch"
    script.parent.mkdir()
    script.write_text("#!/bin/bash\n#SBATCH --my-own\n")
    run = here("submit", "small.toml", *SIZE)
    assert run.code == 2
    assert "results/small.sbatch was not written by fpsolver submit" in run.err
    assert script.read_text() == "#!/bin/bash\n#SBATCH --my-own\n"
    assert cluster.note("sbatch") == []


def test_a_results_folder_of_somebody_else_is_refused_before_the_queue(cluster: Cluster, here: Here) -> None:
    (cluster.folder / "mine").mkdir()
    (cluster.folder / "mine" / "thesis.txt").touch()
    run = here("submit", "small.toml", *SIZE, "-o", "mine")
    assert run.code == 2
    assert "holds files that fpsolver did not write" in run.err
    assert files(cluster.folder) == {"mine/thesis.txt"}


def test_a_stop_that_is_still_there_is_told_before_the_queue(cluster: Cluster, here: Here) -> None:
    stop = cluster.folder / "results" / "small" / "STOP"
    stop.parent.mkdir(parents=True)
    stop.touch()
    (stop.parent / ".fpsolver").touch()
    run = here("submit", "small.toml", *SIZE)
    assert run.code == 2
    assert "STOP would stop the run at once; delete it" in run.err
    assert stop.exists()
    assert cluster.note("sbatch") == []


def test_a_case_with_mistakes_is_told_as_run_tells_them(cluster: Cluster, here: Here) -> None:
    (cluster.folder / "bad.toml").write_text(CASE.replace("diffusion", "difusion"))
    run = here("submit", "bad.toml", *SIZE)
    assert run.code == 2
    assert run.err == here("run", "bad.toml").err
    assert "did you mean diffusion" in run.err
    assert files(cluster.folder) == {"bad.toml"}


def test_a_machine_without_a_queue_names_the_dry_run(cluster: Cluster, here: Here) -> None:
    (cluster.bin / "qsub").unlink()
    run = here("submit", "small.toml", *SIZE, "--scheduler", "pbs")
    assert run.code == 2
    assert "qsub is not on the PATH" in run.err
    assert "--dry-run" in run.err
    assert files(cluster.folder) == set()


def test_what_the_scheduler_says_against_a_job_is_passed_on(cluster: Cluster, here: Here) -> None:
    cluster.noting("sbatch", "echo 'sbatch: error: invalid partition specified: gpu' >&2; exit 1")
    run = here("submit", "small.toml", *SIZE, "--partition", "gpu")
    assert run.code == 2
    assert "invalid partition specified: gpu" in run.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--time", "soon"), "--time 'soon' is no time; write 02:30:00"),
        (("--nodes", "0"), "--nodes 0: write a number from 1 on"),
        (("--tasks-per-node", "-1"), "--tasks-per-node -1: write a number from 1 on"),
        (("--max-restarts", "-1"), "--max-restarts -1: write a number from 0 on"),
        (("--memory", "much"), "write for example 16G"),
        (("--partition", "a b"), "--partition 'a b'"),
        (("--module", ""), "write the name of a module"),
        (("--venv", "nowhere"), "name the folder that holds bin/python"),
        (("-o", "/"), "give them a folder of their own"),
        (("-o", "two\nlines"), "has no place in a job script"),
        (("--scheduler", "pbs", "--qos", "long"), "PBS knows none"),
        (("--scheduler", "pbs", "--launcher", "srun"), "write --launcher mpiexec"),
        (("--scheduler", "lsf"), "invalid choice"),
    ],
)
def test_wrong_usage_is_refused_kindly(cluster: Cluster, here: Here, words: tuple[str, ...], message: str) -> None:
    run = here("submit", "small.toml", *SIZE, *words)
    assert (run.code, run.out) == (2, "")
    assert message in run.err
    assert "Traceback" not in run.err
    assert files(cluster.folder) == set()
    assert cluster.note("sbatch") == []
