"""``python -m fpsolver``."""

import sys

from fpsolver.cli import main

if __name__ == "__main__":
    sys.exit(main())
