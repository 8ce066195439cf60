"""Run folders, figures, tables, and one self-contained page per run."""
