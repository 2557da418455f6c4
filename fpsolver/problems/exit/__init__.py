"""When it leaves a region: moments, law and places of exits, bounds and Kramers' law beside them."""
