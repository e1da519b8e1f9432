"""The notebooks as a course; no other part of kitlib needs it.

Predictions: what a learner predicts in a notebook, kept on this machine and shown beside what is: `question`,
the `record`, `predictions`. progress: which exercises hold, read from the saved notebooks. publish: notebooks
executed, and exercises made from their solutions. handouts: saved notebooks as web pages.
"""
from .predictions import Predictions

__all__ = ["Predictions", "handouts", "predictions", "progress", "publish", "question", "record"]
