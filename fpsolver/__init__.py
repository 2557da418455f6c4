"""fpsolver: what stochastic gradient descent does to the distribution of its parameters.

Solves the Fokker-Planck equation with degenerate noise and a non-convex loss in bounded domains. Importing the package
starts nothing; see ``fpsolver.cli`` for the command line.
"""

__version__ = "0.1.0"
