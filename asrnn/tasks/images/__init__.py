"""The image sets: found, decoded, kept, prepared, and made into sequences."""
