"""``fpsolver doctor``: what is installed, what works, and what a run would use. The checks are listed in `checks`."""
