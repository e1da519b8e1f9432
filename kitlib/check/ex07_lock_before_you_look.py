"""Exercise 07, "lock before you look"."""
from collections.abc import Callable

from ..concurrency.tree import StandIn
from ..kernels import made_of
from ..mm.verdict import Mode
from .every_order import every_order
from .given_beginning import up_to_the_lock
from .one_cpu import flag_first, same_decisions
from .report import INSTRUCTIONS, Report, attempt, unsolved
from .tries import in_steps
from .yielded_steps import LOCKS, every_step_is_yielded, step_names, the_lock_is_tried

__all__ = ["lock_before_you_look", "made_of", "up_to_the_lock"]


@in_steps("trylock, or refuse; mapping = yield folio_mapping(folio), again; if it is not NULL, the "
          "flag; if it is not "
          "unmovable and dirt matters, has_migrate_folio(); unlock; and only now refuse")
def lock_before_you_look(isolate_folio: Callable) -> Report:
    """Exercise "lock before you look": the lock block of isolate_migratepages_block() (0003e2a41468).

    With one difference: under the lock the flag is asked first. Points are for what is safe in every order.
    """
    steps, failed = attempt(step_names, isolate_folio)
    if failed:
        return Report([failed])
    if not steps & {*LOCKS, "mapping_unmovable"}:
        return unsolved("your path takes no folio lock and asks for no flag: "
                        "write the lines that are missing")
    yours = made_of("yours", isolate_folio=isolate_folio)
    findings = [every_step_is_yielded(isolate_folio, StandIn("folio"), Mode(async_migrate=True)),
                the_lock_is_tried(steps)]
    for check in (lambda yours: [flag_first(yours)], same_decisions, every_order):
        found, failed = attempt(check, yours, limit=10 * INSTRUCTIONS)
        if failed:
            return Report([failed])
        findings += found
    return Report(findings)
