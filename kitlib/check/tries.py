"""Which try of a check it is: hints grow with it, and there is a last one. Counted in this session only."""
from collections import Counter
from collections.abc import Callable
from functools import wraps

from .report import Report, unsolved

WRONG, CHOSEN, FEW = 40, 20, 10     # wrong answers judged in a session: to code, to many choices, to few
_tries: Counter[str] = Counter()
_wrong: Counter[str] = Counter()


def in_steps(nearly: str, at_most: int = WRONG) -> Callable[[Callable[..., Report]], Callable[..., Report]]:
    """A check whose reports say more with each try; from the third on also what is `nearly` the answer.

    A try is an answer that was begun. What is right ends the count. After `at_most` wrong ones nothing
    more is judged in this session: nobody thinks so often, and a loop over all choices gets nothing.
    """
    def decorate(check: Callable[..., Report]) -> Callable[..., Report]:
        name = f"{check.__module__}.{check.__name__}"

        @wraps(check)
        def tried(*answers, **more) -> Report:
            if _wrong[name] >= at_most:
                return unsolved(f"{at_most} wrong answers were judged in this session, and no more are. Go "
                                "back to the notebook; when you know more, restart the kernel and ask again")
            report = check(*answers, **more)
            if report.passed:
                del _tries[name]
            elif not report.unsolved:
                _tries[name] += 1
                _wrong[name] += 1
            report.tries, report.nearly = max(1, _tries[name]), nearly
            return report

        return tried

    return decorate


def forget() -> None:
    """Count from the first try again, as in a new session."""
    _tries.clear()
    _wrong.clear()
