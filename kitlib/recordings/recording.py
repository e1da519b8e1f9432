"""One recorded run: its file's arrays under their names, and what the model makes of them.

Leaves out what the model does with it: that is in runs.py.
"""
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ..compaction.releases import Release, parse_release, release_of
from ..kernels import after, before
from ..mm.verdict import Mode
from ..mm.zone import Zone
from .memory import free_lists_of, memory_of, pcp_of, set_state
from .rules import CALLER_RULES, RULES, Lacking, check_rules
from .schema import SCHEMA, RecordingError, read

RECORDED = Path(__file__).parent        # runs of vm.compact_memory
OTHER_CALLERS = RECORDED / "callers"          # those of all other triggers
# By the beginning of what the recorder called it. mthp: a fault of a multi-size huge page.
TRIGGERS = {"direct": "huge", "thp": "thpa", "thp-madvise": "thpm", "mthp": "mthp", "kcompactd": "kcd",
            "proactive": "pro", "contig": "vum", "compact_memory": ""}


class Recording:
    """One recorded run: the schema's arrays, as `recording.flags` or `recording["flags"]`, and `meta`."""

    def __init__(self, name: str, arrays: dict[str, np.ndarray], meta: dict, changed: dict | None = None):
        self.name = name
        self.arrays = arrays
        self.meta = meta
        self.changed = changed or {}            # fields of Release that are otherwise than in this release
        self._memory = None

    def __getattr__(self, array_name: str) -> np.ndarray:
        try:
            return self.__dict__["arrays"][array_name]
        except KeyError:
            known = ", ".join(SCHEMA)
            if array_name in SCHEMA:
                raise AttributeError(f"array {array_name!r} of {self.name} was not recorded") from None
            raise AttributeError(f"a recording has no array {array_name!r}: write one of {known}") from None

    def __getitem__(self, array_name: str) -> np.ndarray:
        return self.meta if array_name == "meta" else self.arrays[array_name]

    def __repr__(self):
        return (f"Recording {self.name}: Linux {self.kernel_version}, {len(self.flags):,} pages, "
                f"{len(self.isolate_ranges)} ranges")

    @property
    def lacks(self) -> tuple[str, ...]:
        """The arrays that were not recorded; "zones" where the zones' watermarks and positions were not."""
        missing = tuple(name for name in SCHEMA if name not in self.arrays)
        return missing if "zones" in self.meta else (*missing, "zones")

    @property
    def trigger(self) -> str:
        """What made the kernel compact: a key of TRIGGERS."""
        return trigger_of(self.meta)

    @property
    def kernel_version(self) -> str:
        """The version of the kernel that ran, such as "6.12.113"."""
        return self.meta["kernel_version"]

    @property
    def release(self) -> Release:
        """How this release counts, less the rules that were left out."""
        return release_of(self.kernel_version)._replace(**self.changed)

    @property
    def kernel(self):
        """The kernel module that decides as this release does: `after` from v6.8 on, with the patch."""
        return after if parse_release(self.kernel_version) >= (6, 8) else before

    @property
    def mode(self) -> Mode:
        """The isolation mode of the run."""
        return Mode(async_migrate=self.meta["mode"] != "sync",
                    unevictable=bool(self.meta["compact_unevictable_allowed"]))

    @property
    def memory(self) -> Zone:
        """All page frames of the snapshot as one zone, made once: whoever compacts in it puts it back."""
        if self._memory is None:
            self._memory = memory_of(self)
        return self._memory

    @property
    def zones(self) -> list[Zone]:
        """The recorded zones, lowest first: parts of `memory`, with new counters and their recorded lists."""
        zones = []
        for number, (name, start, end) in enumerate(zip(self.zone_name, self.zone_start, self.zone_end)):
            zone = self.memory.part(str(name), int(start), int(end))
            zone.pcp = pcp_of(self, number)
            set_state(self, zone, number)
            if self.trigger != "compact_memory":        # which never searches them
                zone.free_lists = free_lists_of(self, zone, number)
            zones.append(zone)
        return zones

    def without(self, rules: str | Iterable[str]) -> "Recording":
        """The same run where these rules (rules.RULES) do not hold; itself where that changes nothing."""
        changed = self
        for name in check_rules(rules):
            lacking = (RULES | CALLER_RULES)[name](changed)
            if changed._would_differ(lacking):
                changed = Recording(self.name, changed.arrays | lacking.arrays, changed.meta | lacking.meta,
                                    changed.changed | lacking.release)
        return changed

    def _would_differ(self, lacking: Lacking) -> bool:
        # An array that was not recorded says no more than an empty one.
        return (any(getattr(self.release, rule) != value for rule, value in lacking.release.items())
                or any(self.meta.get(key, []) != value for key, value in lacking.meta.items())
                or any(not np.array_equal(self.arrays.get(name, ()), array)
                       for name, array in lacking.arrays.items()))


def trigger_of(meta: dict) -> str:
    """What made the kernel compact, by a recording's meta."""
    said = str(meta.get("trigger", ""))
    return next(trigger for trigger, beginning in TRIGGERS.items() if said.startswith(beginning))


def names(trigger: str = "compact_memory") -> list[str]:
    """The recordings of a trigger that come with the kit; of "callers": all but those of compact_memory."""
    if trigger == "compact_memory":
        return sorted(path.stem for path in RECORDED.glob("*.npz"))
    if trigger != "callers" and trigger not in TRIGGERS:
        raise ValueError(f"no trigger {trigger!r}: write callers, {', '.join(TRIGGERS)}")
    found = sorted(path.stem for path in OTHER_CALLERS.glob("*.npz"))
    return [name for name in found if trigger in ("callers", _trigger_in(name))]


def _trigger_in(name: str) -> str:
    """6.12-thp-madvise-mixr-u1-s6114-1 is of thp-madvise, and proactive60 of proactive."""
    words = name.partition("-")[2]
    return max((trigger for trigger in TRIGGERS if words.startswith(trigger)), key=len)


def load(path_or_name: str | Path) -> Recording:
    """A recording by its name (see `names`) or from a file. RecordingError names the file and the array."""
    name = str(path_or_name).removesuffix(".npz")
    known = names() + names("callers")
    folder = RECORDED if name in names() else OTHER_CALLERS
    path = folder / f"{name}.npz" if name in known else Path(str(path_or_name))
    if not path.is_file():
        known = ", ".join(known)
        raise RecordingError(f"no recording {str(path_or_name)!r}: write a file's path or one of {known}")
    return Recording(path.stem, *read(path))


def check_recording(recording: Recording) -> Recording:
    """`recording`, or a TypeError that says what to write."""
    if not isinstance(recording, Recording):
        raise TypeError(f"no recording but {recording!r}: write recordings.load(name)")
    return recording
