"""Who is faster: this package's recurrences, their peers and the limit, in one process."""
