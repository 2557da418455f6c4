"""Which minimum receives which share of the mass, and when."""
