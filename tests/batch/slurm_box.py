"""A real Slurm of one node, started by a test and stopped after it; no service of the system is touched.

It needs root and Debian's packages ``slurm-wlm`` and ``munge``. With ``FPSOLVER_SLURM=install`` in the environment
(``.ci/run`` says so), or ``CI``, they are installed where that is possible.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.launching import without_launcher

TEMPLATE = Path(__file__).parent / "box" / "slurm.conf.in"
PACKAGES = ("slurm-wlm", "munge")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
SEARCHED = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


class NoSlurm(Exception):
    """Slurm cannot be had here, and why."""


class SlurmBox:
    """Daemons below a folder of their own in /tmp, as the names of sockets must be short."""

    def __init__(self) -> None:
        _see_that_it_is_there()
        self.state = Path(tempfile.mkdtemp(prefix="fpsolver-slurm-"))
        self._daemons: list[subprocess.Popen[bytes]] = []
        self.environment = without_launcher() | {"PATH": SEARCHED, "SLURM_CONF": str(self.state / "slurm.conf")}

    def __enter__(self) -> Self:
        try:
            self._configure()
            self._start("munged", "--foreground", *self._munge())
            self._until(lambda: (self.state / "munge.socket").exists(), "munged does not listen")
            self._start("slurmctld", "-D", "-c")
            self._start("slurmd", "-D")
            self._until(lambda: "idle" in self._said("sinfo", "-h", "-o", "%T"), "the node does not become idle")
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._said("scancel", "--user=root")
        end = time.monotonic() + 30  # daemons that are gone leave the processes of their jobs alone
        while self._said("squeue", "-h") and time.monotonic() < end:
            time.sleep(0.2)
        self._stop()

    def __call__(self, *command: str) -> str:
        """Output of a command of Slurm."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def job(self, number: str) -> dict[str, str]:
        """What ``scontrol show job`` knows of a job, ``JobState`` for example."""
        words = self("scontrol", "--oneliner", "show", "job", number).split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def _configure(self) -> None:
        (self.state / "state").mkdir()
        (self.state / "spool").mkdir()
        key = self.state / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        self.state.chmod(0o755)
        control, node = _free_ports(2)
        text = TEMPLATE.read_text(encoding="utf-8")
        values = {"STATE": str(self.state), "HOST": socket.gethostname().split(".")[0], "CPUS": str(os.cpu_count())}
        for name, value in (values | {"CONTROL_PORT": str(control), "NODE_PORT": str(node)}).items():
            text = text.replace(f"@{name}@", value)
        (self.state / "slurm.conf").write_text(text, encoding="utf-8")

    def _munge(self) -> list[str]:
        names = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        return [f"--{option}={self.state}/munge.{name}" for option, name in names.items()]

    def _start(self, *command: str) -> None:
        with open(self.state / f"{command[0]}.said", "wb") as said:
            self._daemons.append(
                subprocess.Popen(command, env=self.environment, stdout=said, stderr=said, stdin=subprocess.DEVNULL)
            )

    def _said(self, *command: str) -> str:
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60, check=False)
        return done.stdout

    def _until(self, ready: Callable[[], bool], otherwise: str) -> None:
        end = time.monotonic() + 30
        while not ready():
            if time.monotonic() > end or any(daemon.poll() is not None for daemon in self._daemons):
                said = [path.read_text(errors="replace")[-500:] for path in sorted(self.state.glob("*.said"))]
                raise NoSlurm(f"Slurm is installed but does not start here: {otherwise}; {' '.join(said).strip()}")
            time.sleep(0.1)

    def _stop(self) -> None:
        for daemon in reversed(self._daemons):
            daemon.terminate()
        for daemon in reversed(self._daemons):
            try:
                daemon.wait(timeout=20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        shutil.rmtree(self.state, ignore_errors=True)


def _see_that_it_is_there() -> None:
    """Install what is missing, if we may; or raise `NoSlurm`."""
    if os.geteuid() != 0:
        raise NoSlurm("needs root to start a Slurm of its own")
    if not _missing():
        return
    missing = f"{', '.join(_missing())} not found"
    if os.environ.get("FPSOLVER_SLURM") != "install" and "CI" not in os.environ:
        raise NoSlurm(f"{missing}: apt-get install {' '.join(PACKAGES)}, or set FPSOLVER_SLURM=install")
    if shutil.which("apt-get") is None:
        raise NoSlurm(f"{missing}, and there is no apt-get to install {' '.join(PACKAGES)}")
    _apt("update", "-qq")  # where this fails, lists from before may do
    said = _apt("install", "-y", "--no-install-recommends", *PACKAGES)
    if _missing():
        raise NoSlurm(f"{missing}, and apt-get cannot install {' '.join(PACKAGES)}: {said[-500:]}")


def _apt(*words: str) -> str:
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(["apt-get", *words], env=quiet, capture_output=True, text=True, timeout=300, check=False)
    return done.stderr.strip()


def _missing() -> list[str]:
    return [name for name in PROGRAMS if shutil.which(name, path=SEARCHED) is None]


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
