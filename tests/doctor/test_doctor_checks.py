"""Each check on computers that are ill in one way: what it says, how bad that is, and what to do."""

from __future__ import annotations

import sysconfig
from collections.abc import Iterable
from pathlib import Path

import pytest
from patients import ALONE, HEALTHY, HUNG, MET, failed, patient

from fpsolver.doctor import checks
from fpsolver.doctor.compiler import compiler, forms
from fpsolver.doctor.computer import cores, memory, threads
from fpsolver.doctor.disk import disk
from fpsolver.doctor.finding import Finding, Verdict
from fpsolver.doctor.launching import launching, started_by
from fpsolver.doctor.packages import packages
from fpsolver.doctor.pictures import paraview, rendering
from fpsolver.doctor.scheduler import scheduler
from fpsolver.doctor.solver import mpi, stack
from fpsolver.doctor.surroundings import Surroundings
from fpsolver.runtime import launchers

OURS = "/env/bin/mpiexec"


def bad(found: Finding | Iterable[Finding]) -> list[Finding]:
    """What is not ok."""
    listed = [found] if isinstance(found, Finding) else list(found)
    assert all(bool(each.remedy) == (each.verdict is not Verdict.OK) for each in listed), "a remedy where it is needed"
    assert all("\n" not in each.text + each.remedy for each in listed), "one line each"
    return [each for each in listed if each.verdict is not Verdict.OK]


@pytest.fixture(autouse=True)
def our_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launchers, "launcher_of_this_python", lambda which: OURS)


def launched(replies: dict[str, object] | None = None, **more: object) -> Surroundings:
    return patient({OURS: MET} | (replies or {}), **more)


def test_a_computer_that_is_well_has_no_findings(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/loadavg").write_text("0.10 0.20 0.30 1/100 4242\n")
    found = list(checks.findings(launched(root=tmp_path)))
    assert bad(found) == []
    assert len({each.name for each in found}) == len(found)


def test_a_missing_compiler_is_told_once() -> None:
    about = patient({"form": HEALTHY["form"] | {"error": "CompileError: gcc"}}, {"CC": "gcc -O2"}, programs={})
    (found,) = bad(compiler(about))
    assert found.verdict is Verdict.PROBLEM
    assert found.text.startswith("gcc is not on the PATH")
    assert bad(forms(about)) == []


def test_the_compiler_of_the_variable_cc_is_looked_for() -> None:
    assert "icx is not on" in bad(compiler(patient(environment={"CC": "icx -O2"})))[0].text


def test_a_python_without_its_header_cannot_compile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    (found,) = bad(compiler(patient(environment={"CC": "gcc"})))
    assert "Python.h, which is not there" in found.text
    assert "python3-dev" in found.remedy


def test_a_compiler_that_fails_is_quoted() -> None:
    about = patient({"form": HEALTHY["form"] | {"error": "CompileError: broken"}}, {"CC": "gcc"})
    (found,) = bad(forms(about))
    assert (found.verdict, found.text) == (Verdict.PROBLEM, "CompileError: broken")


def test_a_cache_that_cannot_be_written_is_a_problem() -> None:
    (found,) = bad(forms(patient({"form": HEALTHY["form"] | {"refused": "Read-only file system"}})))
    assert found.verdict is Verdict.PROBLEM
    assert "cannot be written (Read-only file system)" in found.text
    assert "XDG_CACHE_HOME" in found.remedy


def test_what_a_killed_compiler_left_can_be_removed_by_the_remedy() -> None:
    (found,) = bad(forms(patient({"form": HEALTHY["form"] | {"cache": "/my cache", "stale": ["libffcx_a.c"]}})))
    assert found.remedy == "rm '/my cache/libffcx_a.c'"


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (ALONE, "each copy is rank 0 of 1; it does not serve MPICH 5.0.2 of this Python"),
        (HUNG, "two ranks do not start: no end after 30 s"),
        (failed(1, "----\nmpirun has detected an attempt to run as root.\nmore\n"), "exit code 1: mpirun has detected"),
        (MET[:1], "of two ranks 1 answered"),
    ],
)
def test_a_foreign_launcher_is_a_warning_and_as_our_own_a_problem(reply: object, words: str) -> None:
    foreign = {"mpirun": "/usr/bin/mpirun"}
    replies = {"/usr/bin/mpirun": reply, "/usr/bin/mpirun --version": "mpirun (Open MPI) 4.1.4\n"}
    (found,) = bad(launching(launched(replies, programs=foreign)))
    assert (found.verdict, found.name, found.remedy) == (Verdict.WARNING, "mpirun", f"write {OURS} instead")
    assert found.text.startswith("/usr/bin/mpirun (mpirun (Open MPI) 4.1.4): ")
    assert words in found.text
    (found,) = bad(launching(launched({OURS: reply})))
    assert found.verdict is Verdict.PROBLEM
    assert words in found.text


def test_a_program_with_two_names_is_tried_once(tmp_path: Path) -> None:
    (tmp_path / "orterun").touch()
    names = {name: str(tmp_path / name) for name in ("mpiexec", "mpirun")}
    for path in names.values():
        Path(path).symlink_to(tmp_path / "orterun")
    assert len(bad(launching(launched({names["mpiexec"]: ALONE}, programs=names)))) == 1


def test_no_launcher_at_all_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launchers, "launcher_of_this_python", lambda which: None)
    (found,) = bad(launching(patient()))
    assert found.verdict is Verdict.PROBLEM


JOB = {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "2", "SLURM_JOB_NUM_NODES": "1"}


def test_srun_is_tried_inside_a_job_and_told_its_plugin() -> None:
    srun = "/usr/bin/srun -n 2 --overlap"
    replies = {srun: ALONE, f"{srun} --mpi=pmi2": MET}
    (found,) = bad(launching(launched(replies, environment=JOB, programs={"srun": "/usr/bin/srun"})))
    assert found.verdict is Verdict.WARNING
    assert "each copy is rank 0 of 1" in found.text
    assert "srun --mpi=pmi2" in found.remedy
    (found,) = bad(launching(launched({srun: ALONE}, environment=JOB, programs={"srun": "/usr/bin/srun"})))
    assert "no" not in found.remedy.split()
    assert "mpiexec" in found.remedy
    assert bad(launching(launched({srun: ALONE}, programs={"srun": "/usr/bin/srun"}))) == []  # outside of a job


def test_probes_do_not_see_the_launcher_that_started_the_doctor() -> None:
    seen: dict[str, str] = {}
    about = patient(environment={"PMI_RANK": "0", "PMI_SIZE": "2", "PMI_FD": "7", "HOME": "/home/me"})
    whole = about.run

    def run(command: list[str], *, environment: dict[str, str], timeout: float) -> object:
        seen.update(environment)
        return whole(command, environment=environment, timeout=timeout)

    object.__setattr__(about, "run", run)
    assert bad(mpi(about)) == []
    assert seen == {"HOME": "/home/me"}
    (found,) = bad(started_by(about))
    assert "started 2 copies of the doctor" in found.text


@pytest.mark.parametrize(
    ("change", "name", "words"),
    [
        ({"dolfinx": "0.9.0.post1"}, "solver", "DOLFINx is too old"),
        ({"real": False}, "solver", "complex numbers"),
        ({"mumps": False, "solvers": []}, "MUMPS", "not in this PETSc (no others)"),
        ({"residual": 0.3}, "MUMPS", "residual 3.0e-01"),
        ({"residual": float("nan")}, "MUMPS", "residual nan"),
    ],
)
def test_a_solver_that_does_not_fit_is_a_problem(change: dict[str, object], name: str, words: str) -> None:
    (found,) = bad(stack(patient({"stack": HEALTHY["stack"] | change})))
    assert (found.verdict, found.name) == (Verdict.PROBLEM, name)
    assert words in found.text


def test_what_does_not_load_says_why() -> None:
    error = failed(1, "Traceback (most recent call last):\n  x\nImportError: libfoo.so.3: cannot open\n")
    for check in (mpi, stack):
        (found,) = bad(check(patient({"ranks": error, "stack": error})))
        assert found.verdict is Verdict.PROBLEM
        assert found.text.endswith("exit code 1: ImportError: libfoo.so.3: cannot open")


def test_packages_that_are_missing_or_old_are_named() -> None:
    (found,) = bad(packages(patient(missing=["h5py", "vtk"])))
    assert "missing: h5py, vtk" in found.text
    assert found.remedy.endswith("pip install --upgrade h5py vtk")
    about = patient()
    object.__setattr__(about, "version", lambda name: "0.9" if name == "numpy" else "99.0")
    (found,) = bad(packages(about))
    assert "too old: numpy 0.9" in found.text


def test_a_full_disk_and_hdf5_elsewhere() -> None:
    refused = {"free": 0, "refused": "No space left on device"}
    about = patient({"folder": refused}, folder=Path("/full"))
    (found,) = bad(disk(about))
    assert found.verdict is Verdict.PROBLEM
    assert "cannot be written (No space left on device), 0.0 GB free" in found.text


@pytest.mark.parametrize(
    ("change", "name", "verdict", "words"),
    [
        ({"free": 3e8}, "folder", Verdict.WARNING, "0.3 GB free"),
        ({"lock": "Function not implemented"}, "locks", Verdict.WARNING, "Function not implemented"),
        ({"lock": "ignored"}, "locks", Verdict.WARNING, "ignored"),
        ({"hdf5": "unable to lock file, errno = 11"}, "HDF5", Verdict.PROBLEM, "HDF5_USE_FILE_LOCKING is not set"),
    ],
)
def test_folders_that_can_do_less(change: dict[str, object], name: str, verdict: Verdict, words: str) -> None:
    (found,) = bad(disk(patient({"folder": HEALTHY["folder"] | change})))
    assert (found.name, found.verdict) == (name, verdict)
    assert words in found.text
    assert name != "HDF5" or found.remedy == "export HDF5_USE_FILE_LOCKING=FALSE"


def test_a_folder_that_hangs_is_a_problem() -> None:
    (found,) = bad(disk(patient({"folder": HUNG})))
    assert found.verdict is Verdict.PROBLEM
    assert "no end after 30 s" in found.text


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        ({"window": None}, "neither libEGL nor libOSMesa"),
        (HEALTHY["picture"] | {"drawn": False}, "vtkEGLRenderWindow draws nothing"),
        (failed(-11, ""), "VTK fails: killed by SIGSEGV"),
    ],
)
def test_without_rendering_runs_still_work(reply: object, words: str) -> None:
    (found,) = bad(rendering(patient({"picture": reply})))
    assert found.verdict is Verdict.WARNING
    assert words in found.text


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("paraview version 5.13.1\n", None),
        ("paraview version 6.0.0\n", None),
        ("paraview version 5.11.0\n", 'cannot read output.format = "vtkhdf"'),
        ("paraview version 5.9.1\n", "too old"),
        ("???", "does not tell its version"),
    ],
)
def test_the_paraview_that_is_here_decides_on_the_format(said: str, words: str | None) -> None:
    found = bad(paraview(patient({"/opt/pvpython": said}, programs={"pvpython": "/opt/pvpython"})))
    assert [words in each.text for each in found if words] == [True] * bool(words)
    assert len(found) == (words is not None)
    assert bad(paraview(patient())) == []


@pytest.mark.parametrize(
    ("value", "words"), [("64", "so many in every rank"), ("many", "not a number of threads"), ("1", None)]
)
def test_threads(value: str, words: str | None) -> None:
    found = bad(threads(patient(environment={"OMP_NUM_THREADS": value})))
    assert [words in each.text for each in found if words] == [True] * (words is not None)
    assert bad(threads(patient())) == []


def test_cores_that_others_use_and_memory_that_is_short(tmp_path: Path) -> None:
    proc = tmp_path / "proc"
    proc.mkdir()
    (proc / "loadavg").write_text("900.00 1.0 1.0 1/100 4242\n")
    (proc / "meminfo").write_text("MemTotal: 9000000 kB\nMemAvailable: 1000000 kB\n")
    about = patient(root=tmp_path)
    (busy,) = bad(cores(about))
    assert "load 900.0" in busy.text
    (short,) = bad(memory(about))
    assert short.text == "1.0 GB free"
    assert bad(memory(patient(root=tmp_path / "none"))) == []


def test_a_scheduler_that_does_not_answer_is_a_warning() -> None:
    programs = {"sbatch": "/usr/bin/sbatch"}
    (found,) = bad(scheduler(patient({"/usr/bin/sbatch": failed(1, "sbatch: fatal: no source\n")}, programs=programs)))
    assert "does not answer: exit code 1: sbatch: fatal: no source" in found.text
    assert bad(scheduler(patient({"/usr/bin/sbatch": "slurm 22.05.8\n"}, programs=programs))) == []


def test_jobs_are_described(tmp_path: Path) -> None:
    slurm = {"sbatch": "/usr/bin/sbatch", "squeue": "/usr/bin/squeue"}
    replies = {"/usr/bin/sbatch": "slurm 22.05.8\n", "/usr/bin/squeue": "1:02:03\n"}
    *_, job = scheduler(patient(replies, JOB, slurm))
    assert job.text == "Slurm job 7: 1 node, 2 tasks, time left: 1:02:03"
    (found,) = bad(scheduler(patient(replies, {"SLURM_JOB_ID": "7"}, slurm)))
    assert "no number of tasks" in found.text
    (tmp_path / "nodes").write_text("n1\nn1\nn2\nn2\n")
    pbs = {"qsub": "/usr/bin/qsub", "qstat": "/usr/bin/qstat"}
    replies = {
        "/usr/bin/qsub": "pbs_version = 22.05.11\n",
        "/usr/bin/qstat": "Job Id: 9.s\n  Resource_List.walltime = 02:00:00\n  resources_used.walltime = 00:30:00\n",
    }
    *_, job = scheduler(patient(replies, {"PBS_JOBID": "9.s", "PBS_NODEFILE": str(tmp_path / "nodes")}, pbs))
    assert job.text == "PBS job 9.s: 2 nodes, 4 tasks, 00:30:00 of 02:00:00 used"


def test_a_check_that_fails_itself_does_not_take_the_others_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(about: Surroundings) -> Finding:
        raise KeyError("lost")

    monkeypatch.setattr(checks, "CHECKS", {"first": broken, "second": mpi})
    first, second = checks.findings(patient())
    assert first.verdict is Verdict.PROBLEM
    assert "KeyError: 'lost'" in first.text
    assert second.verdict is Verdict.OK
