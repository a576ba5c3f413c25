"""Many runs: search spaces, the engines that make the runs, and what they came to."""
