"""The same case by Monte Carlo."""
