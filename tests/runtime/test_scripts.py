"""scripts/bootstrap, run and test on machines that we can only pretend to have. Nothing here uses the network.

Each test has a copy of the scripts in a folder with a space, and a PATH of its own: links to the tools a bare
Linux has, a C compiler, and a `uv` that installs shell scripts in place of fpsolver and mpiexec.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from programs import clean_environment

from tests.launching import PROJECT

INTERPRETER = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
TOOLS = (
    "awk cat chmod cksum cut dirname env gcc getconf grep id ls mkdir mktemp mv rm rmdir sed sh sleep tail tee uname"
)

FAKE_UV = """#!/bin/sh
[ "$1" = --version ] && exit 0
case $* in *requirements.lock*) ;; *) exit 0 ;; esac
echo install >> "$CALLS"
sleep "${UV_SECONDS:-0}"
while [ "$1" != --python ]; do shift; done
bin=${2%/python}
printf '#!/bin/sh\\necho "fpsolver:$*:$(pwd):$OMP_NUM_THREADS"\\nexit ${CODE:-0}\\n' > "$bin/fpsolver"
printf '#!/bin/sh\\necho "mpiexec $1 $2"\\nshift 2\\nexec "$@"\\n' > "$bin/mpiexec"
chmod +x "$bin/fpsolver" "$bin/mpiexec"
"""


class Machine:
    """A copy of the scripts and the tools they find."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "the project"
        self.bin = folder / "tools"
        self.calls = folder / "calls"
        shutil.copytree(PROJECT / "scripts", self.root / "scripts")
        (self.root / "pyproject.toml").write_text("")
        (self.root / "requirements.lock").write_text("uv==1\n    --hash=sha256:0\n")
        self.bin.mkdir()
        for name in TOOLS.split():
            real = shutil.which(name)
            assert real is not None, name
            (self.bin / name).symlink_to(real)
        self.tool("uv", FAKE_UV)
        self.tool("python3.12", f'#!/bin/sh\nexec "{INTERPRETER}" "$@"\n')
        self.environment = clean_environment() | {
            "PATH": str(self.bin),
            "HOME": str(folder / "home"),
            "CALLS": str(self.calls),
            "UV_PYTHON_DOWNLOADS": "never",
        }
        for name in ("PYTHONPATH", "PYENV_ROOT", "FPSOLVER_PYTHON", "FPSOLVER_VENV", "FPSOLVER_NO_UV", "CC"):
            self.environment.pop(name, None)
        for name in ("UV_PYTHON_INSTALL_DIR", "XDG_DATA_HOME", "OMP_NUM_THREADS"):
            self.environment.pop(name, None)

    def tool(self, name: str, text: str) -> None:
        (self.bin / name).unlink(missing_ok=True)
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def start(self, script: str, *arguments: str, cwd: Path | None = None, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(self.root / "scripts" / script), *arguments],
            env=self.environment | more,
            cwd=cwd or self.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def __call__(
        self, script: str, *arguments: str, cwd: Path | None = None, **more: str
    ) -> subprocess.CompletedProcess[str]:
        process = self.start(script, *arguments, cwd=cwd, **more)
        try:
            out, err = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def installs(self) -> int:
        return self.calls.read_text().count("install") if self.calls.exists() else 0


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


# --- bootstrap ---


def test_the_second_time_nothing_is_done_and_quickly(machine: Machine) -> None:
    first = machine("bootstrap")
    assert (first.returncode, machine.installs()) == (0, 1), first.stderr
    begin = time.perf_counter()
    second = machine("bootstrap")
    assert time.perf_counter() - begin < 1.0
    assert (second.returncode, second.stdout, second.stderr, machine.installs()) == (0, "", "", 1)


def test_a_changed_lock_or_a_moved_project_is_made_anew(machine: Machine, tmp_path: Path) -> None:
    machine("bootstrap")
    assert machine("bootstrap", "--check").returncode == 0
    (machine.root / "requirements.lock").write_text("other==1\n")
    assert machine("bootstrap", "--check").returncode == 1
    machine("bootstrap")
    assert machine.installs() == 2
    machine.root = machine.root.rename(tmp_path / "elsewhere")
    machine("bootstrap")
    assert machine.installs() == 3


def test_a_half_made_environment_is_made_anew(machine: Machine) -> None:
    """Catches an interrupted first run that leaves every later one broken."""
    process = machine.start("bootstrap", UV_SECONDS="20")
    while machine.installs() == 0:
        assert process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    assert (machine.root / ".venv.lock").exists()
    done = machine("bootstrap")
    assert (done.returncode, machine.installs()) == (0, 2), done.stderr
    assert {path.name for path in machine.root.glob(".venv*")} == {".venv"}


def test_a_lock_whose_holder_wrote_no_name_is_given_up(machine: Machine) -> None:
    (machine.root / ".venv.lock").mkdir()
    machine.tool("sleep", "#!/bin/sh\n")  # the patience, without the time
    assert machine("bootstrap").returncode == 0


def test_a_lock_of_another_host_is_waited_for(machine: Machine) -> None:
    (machine.root / ".venv.lock").mkdir()
    (machine.root / ".venv.lock" / "owner").write_text(f"1 not-{socket.gethostname()}\n")
    process = machine.start("bootstrap")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=1.5)
    shutil.rmtree(machine.root / ".venv.lock")
    assert process.wait(timeout=30) == 0
    assert process.communicate()[1].count("waiting for another bootstrap (1 not-") == 1


def test_of_two_at_once_one_waits(machine: Machine) -> None:
    both = [machine.start("bootstrap", UV_SECONDS="0.5") for _ in range(2)]
    assert [process.communicate(timeout=60) and process.returncode for process in both] == [0, 0]
    assert machine.installs() == 1


def test_an_environment_of_the_user_s_own_is_left_alone(machine: Machine) -> None:
    (machine.root / ".venv").mkdir()
    (machine.root / ".venv" / "precious").touch()
    done = machine("bootstrap")
    assert done.returncode == 1
    assert "was not made by this script" in done.stderr
    assert (machine.root / ".venv" / "precious").exists()


def test_a_shim_that_does_not_run_is_passed_over(machine: Machine, tmp_path: Path) -> None:
    """pyenv puts python3.12 on PATH also where that version is not chosen; it exits with 127."""
    (tmp_path / "second").mkdir()
    (machine.bin / "python3.12").rename(tmp_path / "second" / "python3.12")
    machine.tool("python3.12", "#!/bin/sh\necho 'pyenv: python3.12: command not found' >&2\nexit 127\n")
    done = machine("bootstrap", PATH=f"{machine.bin}:{tmp_path / 'second'}")
    assert done.returncode == 0, done.stderr
    assert f"with {INTERPRETER.parent}" in done.stderr
    assert "command not found" not in done.stderr


@pytest.mark.skipif(bool(list(Path("/opt/python").glob("*3.1[2-4]*"))), reason="/opt/python is searched too")
def test_without_python_the_ways_to_one_are_named(machine: Machine) -> None:
    (machine.bin / "python3.12").unlink()
    machine.tool("python3", "#!/bin/sh\n[ $1 = -V ] && echo Python 3.11.7 && exit 0\nexit 1\n")
    machine.tool("apt-get", "#!/bin/sh\nexit 1\n")
    done = machine("bootstrap")
    assert done.returncode == 1
    assert "python3 is Python 3.11.7" in done.stderr
    for way in (
        "apt-get install python3.12 ",
        "uv python install 3.12",
        "FPSOLVER_PYTHON=/path/to/python3.12 scripts/",
    ):
        assert way in done.stderr
    assert not (machine.root / ".venv").exists()


def test_a_python_that_was_named_wrongly_is_not_replaced_by_another(machine: Machine) -> None:
    done = machine("bootstrap", FPSOLVER_PYTHON="/no/such/python")
    assert done.returncode == 1
    assert "FPSOLVER_PYTHON=/no/such/python is not a CPython" in done.stderr


@pytest.mark.parametrize(("system", "hardware"), [("Darwin", "arm64"), ("Linux", "aarch64"), ("MINGW64_NT", "x86_64")])
def test_other_systems_are_shown_the_way_with_conda(machine: Machine, system: str, hardware: str) -> None:
    machine.tool("uname", f'#!/bin/sh\n[ "$1" = -s ] && echo {system} || echo {hardware}\n')
    done = machine("bootstrap")
    assert done.returncode == 1
    assert f"this is {system}/{hardware}" in done.stderr
    assert "conda create -n fpsolver -c conda-forge" in done.stderr
    assert "pip install --no-deps -e ." in done.stderr


@pytest.mark.parametrize(
    ("answer", "found"), [("echo glibc 2.28", "2.28"), ("exit 1", "none (musl?)"), ("echo glibc 1.99", "1.99")]
)
def test_an_old_or_other_libc_is_refused(machine: Machine, answer: str, found: str) -> None:
    machine.tool("getconf", f"#!/bin/sh\n{answer}\n")
    done = machine("bootstrap")
    assert done.returncode == 1
    assert f"this system has {found}" in done.stderr
    assert "conda create" in done.stderr


@pytest.mark.parametrize("version", ["2.34", "2.100", "3.0"])
def test_a_new_libc_is_accepted(machine: Machine, version: str) -> None:
    """Catches a comparison as text."""
    machine.tool("getconf", f"#!/bin/sh\necho glibc {version}\n")
    assert machine("bootstrap").returncode == 0


def test_without_a_compiler_the_command_to_get_one_is_named(machine: Machine) -> None:
    (machine.bin / "gcc").unlink()
    machine.tool("dnf", "#!/bin/sh\nexit 1\n")
    machine.tool("clang", "#!/bin/sh\nexit 0\n")
    done = machine("bootstrap")
    assert done.returncode == 1
    assert "no C compiler" in done.stderr
    assert "dnf install gcc" in done.stderr
    assert "export CC=clang" in done.stderr
    assert not (machine.root / ".venv").exists()


def test_without_python_h_the_command_to_get_it_is_named(machine: Machine) -> None:
    machine.tool("gcc", "#!/bin/sh\ncase $(cat) in *Python.h*) exit 1 ;; esac\n")
    machine.tool("apt-get", "#!/bin/sh\nexit 1\n")
    done = machine("bootstrap", CC="gcc")
    assert done.returncode == 1
    assert "has no Python.h" in done.stderr
    assert f"apt-get install python3.{sys.version_info.minor}-dev" in done.stderr


def test_help_and_unknown_options(machine: Machine) -> None:
    for script in ("bootstrap", "run", "test"):
        done = machine(script, "--help")
        assert done.returncode == 0
        assert f"scripts/{script}" in done.stdout
        assert "set -eu" not in done.stdout
    assert machine("bootstrap", "--chek").returncode == 2
    assert machine.installs() == 0


# --- run ---


def test_run_passes_words_folder_and_exit_code(machine: Machine, tmp_path: Path) -> None:
    """The case and the results are meant as seen from where the user stands."""
    here = tmp_path / "where I am"
    here.mkdir()
    words = ["a case.toml", "--set", "parameters.d=0.1 # it's $HOME", "--", "-n", "3"]
    done = machine("run", "-n", "1", *words, cwd=here, CODE="4")
    assert done.returncode == 4
    assert done.stdout == f"fpsolver:run {' '.join(words)}:{here}:1\n"


@pytest.mark.parametrize("words", [["-n", "2", "c.toml"], ["c.toml", "-n", "2"], ["-n2", "c.toml"]])
def test_run_on_a_chosen_number_of_ranks(machine: Machine, words: list[str]) -> None:
    done = machine("run", *words, OMP_NUM_THREADS="2", CODE="75")
    assert done.returncode == 75
    assert done.stdout == f"mpiexec -n 2\nfpsolver:run c.toml:{machine.root}:2\n"


@pytest.mark.parametrize(
    ("advice", "expected"), [("print(3)", "mpiexec -n 3\n"), ("print('?')", ""), ("raise SystemExit(2)", "")]
)
def test_run_takes_advice_on_the_number_of_ranks(machine: Machine, tmp_path: Path, advice: str, expected: str) -> None:
    package = tmp_path / "advice" / "fpsolver" / "case"
    package.mkdir(parents=True)
    (package / "ranks.py").write_text(advice)
    done = machine("run", "c.toml", PYTHONPATH=str(tmp_path / "advice"))
    assert done.stdout == f"{expected}fpsolver:run c.toml:{machine.root}:1\n"


@pytest.mark.parametrize(
    "words", [[], ["-n", "2"], ["-n"], ["-n", "0", "c.toml"], ["-n", "two", "c.toml"], ["-n", "-1", "c"]]
)
def test_run_refuses_before_setting_up(machine: Machine, words: list[str]) -> None:
    done = machine("run", *words)
    assert (done.returncode, machine.installs()) == (2, 0)
    assert "usage: scripts/run" in done.stderr


def test_run_is_the_program_itself(machine: Machine) -> None:
    """So that Ctrl-C and TERM reach it once, and its exit code is the command's."""
    machine("bootstrap")
    program = machine.root / ".venv" / "bin" / "fpsolver"
    program.write_text("#!/bin/sh\ntrap 'exit 75' TERM\necho $$\nwhile :; do sleep 0.05; done\n")
    process = machine.start("run", "-n", "1", "c.toml")
    assert process.stdout is not None
    assert int(process.stdout.readline()) == process.pid
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=10)
    assert process.returncode == 75


# --- test ---


@pytest.fixture
def checked(machine: Machine) -> Machine:
    """An environment whose ruff, mypy and pytest are stand-ins."""
    machine("bootstrap")
    tools = machine.root / ".venv" / "bin"
    for name in ("ruff", "mypy", "python"):
        (tools / name).unlink(missing_ok=True)
        text = f'#!/bin/sh\necho "{name} $*"\n'
        (tools / name).write_text(text + ('[ "$1" != format ]\n' if name == "ruff" else ""))
        (tools / name).chmod(0o755)
    (tools / "python").write_text(
        '#!/bin/sh\necho "python $*"\necho "=== 5 passed, ${BAD:-0} failed, 1 skipped in 0.12s ==="\nexit ${BAD:-0}\n'
    )
    return machine


def test_all_parts_run_and_one_failure_fails(checked: Machine) -> None:
    (checked.root / ".venv" / "bin" / "mpiexec").write_text('#!/bin/sh\nshift 2\nPMI_RANK=0 exec "$@"\n')
    done = checked("test")
    assert done.returncode == 1
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["ruff", "format", "FAILED"] in lines
    assert ["mypy", "ok"] in lines
    assert ["tests,", "3", "ranks", "ok", "5", "passed,", "0", "failed,", "1", "skipped"] in lines
    assert done.stdout.splitlines()[-1] == "15 passed, 0 failed"


def test_a_failure_on_another_rank_is_shown(checked: Machine) -> None:
    (checked.root / ".venv" / "bin" / "mpiexec").write_text('#!/bin/sh\nshift 2\nPMI_RANK=1 BAD=1 exec "$@"\n')
    done = checked("test")
    assert done.returncode == 1
    assert "-- rank.1\npython -m pytest tests -m parallel" in done.stdout


def test_with_options_it_is_one_run_of_pytest(checked: Machine, tmp_path: Path) -> None:
    done = checked("test", "tests/case", "-k", "a b", cwd=tmp_path, BAD="3")
    assert done.returncode == 3
    assert done.stdout.splitlines()[0] == "python -m pytest tests/case -k a b"


def test_nothing_here_depends_on_bash() -> None:
    for script in sorted((PROJECT / "scripts").iterdir()):
        if script.is_file() and script.read_text().startswith("#!/bin/sh"):
            assert os.access(script, os.X_OK), script
            subprocess.run(["sh", "-n", str(script)], check=True)
