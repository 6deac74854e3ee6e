"""The programs that are measured, each run as a file in an environment of the benchmark."""
