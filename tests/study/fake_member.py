"""Stands in for ``fpsolver run`` where tests need many members: python fake_member.py FOLDER KEY=VALUE...

It finds x^2 with the error x/100. Negative x fail, for 404 the certificate does; 99 is not done before there is a file
``go`` beside the folders of the members, and stops in order when told to; 98 does not even do that.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path

from fpsolver.runtime import RunFolder, atomic


def main(folder: Path, x: float) -> int:
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: None if x == 98 else asked.append(number))
    with RunFolder.open(folder) as place:
        place.begin("fake")
        with place.path("run.log").open("a") as log:
            log.write("started\n")
        while x in (98, 99) and not asked and not (folder.parent / "go").exists():
            time.sleep(0.01)
        if asked:
            return 75
        if x < 0:
            print("warning: x is small", file=sys.stderr)
            print(f"the root of {x:g} was not found", file=sys.stderr)
            return 3
        results = {
            "exit": [{"escape_rate": {"value": x**2, "error": x / 100}, "region": "left"}],
            "mesh": {"cells": 7},
            "stationary": {"spectral_gap": {"value": None, "error": None, "infinite": True}},
            "certificate": {"passed": x != 404},
            "timing": {"total": 0.25},
            "ranks": 1,
        }
        atomic.write_text(place.path("results.json"), json.dumps(results))
        place.finish("fake")
    return 4 if x == 404 else 0


if __name__ == "__main__":
    values = dict(word.split("=", 1) for word in sys.argv[2:])
    sys.exit(main(Path(sys.argv[1]), float(values["parameters.x"])))
