"""A family of a case: who belongs to it, how its members are run, and what they found in one table and one figure.

Nothing here imports DOLFINx or starts MPI: the members are runs of the program in processes of their own.
"""
