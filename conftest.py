"""Tests, and notebooks that are checked, read and keep no predictions: a learner's own change nothing."""
import os

os.environ["KITLIB_PREDICTIONS"] = ""
