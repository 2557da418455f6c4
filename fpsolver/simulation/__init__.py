"""Walkers: the equation of a case, and SGD itself, followed path by path. No mesh, no ranks."""
