"""Rulers against truth: material whose truth is known, commands that score and fit.

Nothing a user calls to measure a clip lives here; each module is run with `python -m`.
"""
