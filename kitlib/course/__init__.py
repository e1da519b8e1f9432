"""The notebooks as a course; no other part of kitlib needs it.

Predictions: what a learner predicts in a notebook is kept on this machine and shown beside what is. It is
made of a `question`, the `record` and `predictions`. Quiz: eighteen sentences, true or false, kept likewise.
SkillTest: ten `tasks` before the course and ten after it, some of them about `orders` of steps.
progress: which exercises hold, read from the saved notebooks. publish: notebooks executed, and exercises made
from their solutions. handouts: saved notebooks as web pages. `minutes`: how long a notebook takes.
"""
from .predictions import Predictions
from .quiz import Quiz
from .skill_test import SkillTest

__all__ = ["Predictions", "Quiz", "SkillTest", "handouts", "minutes", "orders", "predictions", "progress",
           "publish", "question", "quiz", "record", "skill_test", "tasks"]
