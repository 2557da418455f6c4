"""What was done to a table before it was used."""

from __future__ import annotations

from fpsolver.case.advice.line import Advice
from fpsolver.case.table import Table

ROUND_OFF = 1e-10  # share of the trace
MATTERS = 1e-3


def table_lines(table: Table) -> list[Advice]:
    """How much of the covariance was moved so that it has no negative eigenvalues."""
    if table.moved <= ROUND_OFF:
        return []
    text = (
        f"table: negative eigenvalues of the covariance in {table.file.name} were set to 0; they made "
        f"{table.moved:.2g} of its trace"
    )
    return [Advice("table", text, table.moved > MATTERS)]
