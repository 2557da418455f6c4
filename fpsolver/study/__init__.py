"""What the verbs of the command line do with a case: solve it, and families of it."""
