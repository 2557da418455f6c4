"""How the drift gathers the mass around the minima, how fast and how closely, and when it has done so."""
