"""Exit times over levels of noise: barrier and prefactor."""
