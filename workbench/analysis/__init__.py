"""Rulers: functions from the samples of a clip to numbers, each with a known error.

Each module answers one question and opens with what it measures, in which units and against which
source. `features` holds what they share. Nothing here knows of requests, engines or stores, and
importing this package loads nothing: callers import the module they need.
"""
