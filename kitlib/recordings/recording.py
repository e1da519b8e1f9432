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
from .memory import memory_of, pcp_of
from .rules import RULES, Lacking, check_rules
from .schema import SCHEMA, RecordingError, read

RECORDED = Path(__file__).parent


class Recording:
    """One recorded run: the schema's arrays, as `recording.flags` or `recording["flags"]`, and `meta`."""

    def __init__(self, name: str, arrays: dict[str, np.ndarray], meta: dict, lacks: dict | None = None):
        self.name = name
        self.arrays = arrays
        self.meta = meta
        self.lacks = lacks or {}                # fields of Release that are otherwise than in this release
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
    def kernel_version(self) -> str:
        """The version of the kernel that ran, such as "6.12.113"."""
        return self.meta["kernel_version"]

    @property
    def release(self) -> Release:
        """How this release counts, less the rules that were left out."""
        return release_of(self.kernel_version)._replace(**self.lacks)

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
            zones.append(zone)
        return zones

    def without(self, rules: str | Iterable[str]) -> "Recording":
        """The same run where these rules (rules.RULES) do not hold; itself where that changes nothing."""
        changed = self
        for name in check_rules(rules):
            lacking = RULES[name](changed)
            if changed._would_differ(lacking):
                changed = Recording(self.name, changed.arrays | lacking.arrays, changed.meta | lacking.meta,
                                    changed.lacks | lacking.release)
        return changed

    def _would_differ(self, lacking: Lacking) -> bool:
        # An array that was not recorded says no more than an empty one.
        return (any(getattr(self.release, rule) != value for rule, value in lacking.release.items())
                or any(self.meta[key] != value for key, value in lacking.meta.items())
                or any(not np.array_equal(self.arrays.get(name, ()), array)
                       for name, array in lacking.arrays.items()))


def names() -> list[str]:
    """The recordings that come with the kit."""
    return sorted(path.stem for path in RECORDED.glob("*.npz"))


def load(path_or_name: str | Path) -> Recording:
    """A recording by its name (see `names`) or from a file. RecordingError names the file and the array."""
    name = str(path_or_name).removesuffix(".npz")
    path = RECORDED / f"{name}.npz" if name in names() else Path(str(path_or_name))
    if not path.is_file():
        known = ", ".join(names())
        raise RecordingError(f"no recording {str(path_or_name)!r}: write a file's path or one of {known}")
    return Recording(path.stem, *read(path))


def check_recording(recording: Recording) -> Recording:
    """`recording`, or a TypeError that says what to write."""
    if not isinstance(recording, Recording):
        raise TypeError(f"no recording but {recording!r}: write recordings.load(name)")
    return recording
