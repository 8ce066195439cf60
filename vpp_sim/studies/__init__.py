"""Many dispatches: sweeps, sizing, Pareto fronts, and what the next unit is worth."""
