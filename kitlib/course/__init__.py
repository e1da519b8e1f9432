"""The notebooks as a course; no other part of kitlib needs it, and a learner needs `progress` alone.

progress: which exercises hold, read from the saved notebooks. publish: notebooks executed, and exercises made
from their solutions. handouts: saved notebooks as web pages.
"""
__all__ = ["handouts", "progress", "publish"]
