"""Meshes, regions and evaluation at points: all that is geometry and knows nothing of the equation."""
