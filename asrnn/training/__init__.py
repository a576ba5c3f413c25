"""From a config and data to a trained network in a workdir."""
