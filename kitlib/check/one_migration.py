"""One folio through a move_to_new_folio() on one CPU: a learner's, or the kernel's."""
from collections.abc import Callable
from functools import cache

from ..concurrency.sched import Machine, run
from ..kernels import after
from ..mm.folio import PG
from ..mm.mapping import AS_UNMOVABLE, set_bit
from ..mm.verdict import MigrateMode, Result
from ..scenarios import zone_of
from ..step import KernelBug
from .report import shown

_STEPS = 100                 # more than any migration of one folio takes
_CALLBACKS = {"migrate_folio", "a_ops_migrate_folio", "fallback_migrate_folio"}


class Moved:
    """A folio, unmapped and locked, that was to move: what was returned, who was asked, the memory then."""

    def __init__(self, move_to_new_folio: Callable, kind: str, flagged: bool, mode: MigrateMode):
        zone = zone_of(kind, "slab")
        src, dst = zone.folio(0), zone.folio(1)
        src.refcount, src.mapcount, src.lru, src.locked = src.refcount + 1 - src.mapcount, 0, False, True
        zone.flags[1], dst.refcount = PG.LOCKED, 1
        self.mapping, self.bug, self.returned = src.mapping, None, None
        if flagged:
            set_bit(AS_UNMOVABLE, self.mapping)
        machine = Machine(zone, {"migration": lambda: move_to_new_folio(dst, src, mode)})
        try:
            self.returned = run(machine, _STEPS).results["migration"]
        except KernelBug as bug:
            self.bug = bug
        callbacks = [event for event in machine.trace if event.step in _CALLBACKS]
        self.asked = [event.step for event in callbacks]
        self.answers = [event.result for event in callbacks]
        self.memory = zone.snapshot()

    @property
    def group(self) -> str:
        """Which of the four ways the folio has to go."""
        if not self.mapping:
            return "no mapping"
        if self.mapping.flags >> AS_UNMOVABLE & 1:
            return "unmovable"
        return "fallback" if self.mapping.a_ops.migrate_folio is None else "callback"

    @property
    def code(self) -> str:
        """What was returned, by its name."""
        if self.bug:
            return f"{self.bug.bug}: {self.bug}"
        is_code = isinstance(self.returned, int) and not isinstance(self.returned, bool)
        if is_code and self.returned in Result._value2member_map_:
            return str(Result(self.returned))
        return shown(self.returned)

    @property
    def text(self) -> str:
        """Code and callbacks: '-EBUSY, by a_ops_migrate_folio'."""
        by = f"by {', '.join(self.asked)}" if self.asked else "and no callback is asked"
        return f"{self.code}, {by}"


@cache
def kernels_move(kind: str, flagged: bool, mode: MigrateMode) -> Moved:
    """The same through move_to_new_folio() of 0003e2a41468, which is asked once."""
    return Moved(after.move_to_new_folio, kind, flagged, mode)
