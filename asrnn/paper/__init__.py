"""The tables and figures of the paper, rebuilt from runs beside its own numbers."""
