"""Ten tasks before the course, ten of the same sorts after it: what has a learner gained?

The model answers, nobody marks, nothing is told but how many are right. Another seed asks other instances.
"""
from ..widgets.prediction import PredictionView
from .predictions import Asked, Table, score
from .question import question
from .record import Record
from .tasks import TASKS, Task, instances

TIMES = ("before", "after")


class SkillTest:
    """One of the two tests. What is answered is kept as predictions are, by seed."""

    def __init__(self, time: str, seed: int = 1):
        if time not in TIMES:
            raise ValueError(f"there is no skill test {time!r}: write SkillTest('before') or "
                             "SkillTest('after')")
        self.time, record = time, Record(f"skill test {seed}")
        # The two of one sort stand side by side; in a test they are numbered from 1.
        pairs = [instances(make, seed) for make in TASKS]
        self.tasks = {one: [pair[at] for pair in pairs] for at, one in enumerate(TIMES)}
        self.asked = {one: [Asked(question(f"{one} {number}", f"{number}. {task.words}", **task.sort), record)
                            for number, task in enumerate(tasks, 1)] for one, tasks in self.tasks.items()}

    def ask(self, number: int) -> PredictionView:
        """Task `number`, from 1 to 10."""
        if number not in range(1, len(TASKS) + 1):
            raise ValueError(f"there is no task {number!r}: write a whole number from 1 to {len(TASKS)}")
        return self.asked[self.time][number - 1].show()

    def score(self) -> Table:
        """How many are right, and after the course both tests by topic. What was said until now counts."""
        times = TIMES[:TIMES.index(self.time) + 1]
        outcomes = {time: [self._outcome(*both) for both in zip(self.asked[time], self.tasks[time])]
                    for time in times}
        heading = "; ".join(f"{time} the course: {score(outcomes[time])}" for time in times)
        topics = [task.topic for task in self.tasks[self.time]]
        rows = [("", *times), *zip(topics, *outcomes.values())] if len(times) > 1 else []
        return Table(heading, rows, [])

    def _outcome(self, asked: Asked, task: Task) -> str:
        asked.judge(task.answer)
        return asked.outcome if asked.counted else ""
