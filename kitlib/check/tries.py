"""Which try of a check it is: hints grow with it. Counted in this session, and kept nowhere."""
from collections import Counter
from collections.abc import Callable
from functools import wraps

from .report import Report

_tries: Counter[str] = Counter()


def in_steps(nearly: str) -> Callable[[Callable[..., Report]], Callable[..., Report]]:
    """A check whose reports say more with each try; from the third on also what is `nearly` the answer.

    A try is an answer that was begun. What is right ends the count.
    """
    def decorate(check: Callable[..., Report]) -> Callable[..., Report]:
        name = f"{check.__module__}.{check.__name__}"

        @wraps(check)
        def tried(*answers, **more) -> Report:
            report = check(*answers, **more)
            if report.passed:
                del _tries[name]
            elif not report.unsolved:
                _tries[name] += 1
            report.tries, report.nearly = max(1, _tries[name]), nearly
            return report

        return tried

    return decorate


def forget() -> None:
    """Count from the first try again, as in a new session."""
    _tries.clear()
