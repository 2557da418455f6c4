"""Where it ends: stationary states, their spectrum, and the weights that resolve them."""
