"""Ways from A to B: committors, reactive currents, rates."""
