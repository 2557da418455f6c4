"""Files of a results folder: writing them whole, reading them back, and drawing from them."""
