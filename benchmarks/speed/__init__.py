"""The parts of ``make bench``: what is measured, in which processes, and what the figures say."""
