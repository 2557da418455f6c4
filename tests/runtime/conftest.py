from __future__ import annotations

from pathlib import Path

import pytest
from programs import Programs


@pytest.fixture
def launch(tmp_path: Path) -> Programs:
    """``launch(code, ranks=2)`` runs Python code on that many ranks; what hangs or is told twice shows only there."""
    return Programs(tmp_path)
