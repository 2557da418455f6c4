"""Jobs of a cluster: a script for Slurm or PBS that runs a case and queues again until the case is done."""
