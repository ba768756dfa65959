"""Operate a deployed stack: try a candidate, compare, roll back, check and estimate its cost."""
