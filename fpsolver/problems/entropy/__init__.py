"""How fast a density forgets its start: measured entropies, and the rates that theorems promise."""
