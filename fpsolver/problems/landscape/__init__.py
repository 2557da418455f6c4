"""Wells of a potential, and the lowest ways between them."""
