"""The command line: one file per command; the only place that prints, reads arguments or exits."""
