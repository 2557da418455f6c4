"""Real programs started by tests, on one or more ranks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.launching import clean_environment, on_ranks

__all__ = ["Programs", "clean_environment"]


class Programs:
    """Runs Python code in processes of its own, in the folder given."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def command(self, code: str, ranks: int = 1) -> list[str]:
        script = self._folder / "program.py"
        script.write_text(code, encoding="utf-8")
        return on_ranks([sys.executable, str(script)], ranks)

    def start(self, code: str, ranks: int = 1) -> subprocess.Popen[str]:
        """Start and do not wait; both outputs come through ``stdout``."""
        return subprocess.Popen(
            self.command(code, ranks),
            env=clean_environment(),
            cwd=self._folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __call__(
        self, code: str, ranks: int = 1, environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end; a hang fails after a minute."""
        return subprocess.run(
            self.command(code, ranks),
            env=clean_environment() | (environment or {}),
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=60,
        )
