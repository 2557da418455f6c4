"""Noisy SGD: stationary densities of D + eps I as eps tends to 0."""
