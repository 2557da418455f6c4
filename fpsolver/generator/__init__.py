"""Mesh + model + weight -> the generator (K, M), the one pair of matrices that every problem reads."""
