"""What lies on disk of a run: its folder, config, metrics, checkpoints and summary."""
