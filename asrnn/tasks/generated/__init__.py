"""Tasks whose examples are functions of a key."""
