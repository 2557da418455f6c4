"""How a density moves: initial states, legs of constant noise, what is recorded on the way."""
