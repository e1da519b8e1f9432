"""What the threads of a machine share, as boxes: folios, mappings, who holds their locks, who points to them.

A pointer is where a thread keeps it, in a local variable of its path: it stays when what it points to is
freed. Leaves out what no thread of a race changes: page tables, pageblocks and counters.
"""
import re
from collections.abc import Iterable
from html import escape
from typing import NamedTuple

from .. import frames
from ..concurrency.sched import Machine
from ..mm import filemap, folio as folios_module, mapping as mappings_module
from ..mm.folio import Folio
from ..mm.mapping import AddressSpace, flag_names
from ..mm.verdict import Verdict
from ..mm.zone import Zone
from ..step import KernelBug
from .source import standing

_FLAGS = ("locked", "lru", "unevictable", "dirty", "writeback")
_MOST = 8                            # folios that are shown
_FILE = re.compile(r" \((?:[^()]|\(\))*\.[ch]\b(?:[^()]|\(\))*\)")
# What each step does, in the first sentence of its docstring, without the file that it is in.
_SAYS = {name: _FILE.sub("", step.__doc__.partition("\n")[0]).partition(". ")[0].rstrip(".")
         for module in (folios_module, mappings_module, filemap)
         for name, step in vars(module).items() if hasattr(step, "act")}


class Thing(NamedTuple):
    """One object in words: its name, how it fares, flags, numbers, and the pointers from and to it."""

    name: str
    fate: str                       # "", "freed" or "reused"
    headline: str
    flags: tuple[str, ...]
    facts: tuple[str, ...]
    arrows: tuple[tuple[str, bool], ...]        # in words, and whether it dangles

    def __str__(self):
        arrows = (f"{arrow}, dangling" if dangles else arrow for arrow, dangles in self.arrows)
        words = (self.headline, " ".join(self.flags), *self.facts, *arrows)
        return f"{self.name}: {', '.join(filter(None, words))}"


def things(machine: Machine) -> list[Thing]:
    """The folios and mappings that the machine's threads share, as they are now."""
    if not isinstance(machine.memory, Zone):
        return []
    held, folios = frames.holders(machine), _folios(machine)
    used = dict.fromkeys(one.mapping for one in folios)
    pointers = [(name, variable, owned) for name in machine.paths
                for variable, owned in held_pointers(machine, name)]
    used.update(dict.fromkeys(owned for _, _, owned in pointers))
    mappings = [one for one in machine.memory.mappings[1:] if one in used or _gone(one)]
    return [*(_folio(one, held) for one in folios),
            *(_mapping(one, machine, held, pointers) for one in mappings)]


def _folios(machine: Machine) -> list[Folio]:
    """All of a small zone's; in a large zone those that were stepped on, or will be next."""
    zone = machine.memory
    if len(zone) <= _MOST:
        return list(zone.folios)
    on = [event.on for event in frames.done(machine)] + [step.on for step in machine.next.values()]
    pfns = dict.fromkeys(int(pfn) for pfn in re.findall(r"\bfolio (\d+)", " ".join(on)))
    return [zone.folio(pfn) for pfn in sorted(pfns)[:_MOST]]


def held_pointers(machine: Machine, name: str) -> list[tuple[str, AddressSpace]]:
    """The mappings to which a thread's local variables point, each with the variable's name."""
    found = {(variable, value): None for frame in standing(machine.paths[name])
             for variable, value in frame.f_locals.items() if isinstance(value, AddressSpace)}
    return list(found)


def why_not(machine: Machine, name: str, held: dict[str, str]) -> str:
    """Why a thread cannot go on, in words; "" when it can."""
    if machine.crash:
        return "the kernel has crashed"
    if name not in machine.next:
        return f"{name} has ended{_returned(machine.results[name])}"
    why, step = machine.why_not(name), machine.next[name]
    holder = held.get(frames.lock_of(step.name, step.on))
    return f"{why}: {holder} holds the lock" if why and holder else why


def _returned(result: object) -> str:
    if isinstance(result, Verdict):
        return f", at {result.label}: {result.why}" if result.why else f", at {result.label}"
    if isinstance(result, tuple):
        return f", with {', '.join(map(str, result)) or 'no folio'}"
    return "" if result is None else f", and returned {result}"


def last_step(machine: Machine) -> str:
    """One sentence on what the last step did."""
    done = frames.done(machine)
    if not done:
        return "Nothing has happened yet."
    event = done[-1]
    does = f"Step {event.t}, {event.thread}: {event.step}({event.on})"
    if isinstance(event.result, KernelBug):
        return f"{does} is the kernel's last: {event.result.bug}, {event.result}."
    if event.step in _SAYS:
        does += f": {_SAYS[event.step]}"
    answer = frames.result_text(event)
    return f"{does}. Answer: {answer}." if answer else f"{does}."


def deadlock(machine: Machine) -> str:
    """Who sleeps where, when all that live sleep; else ""."""
    if not machine.next or machine.ready or machine.crash:
        return ""
    held = frames.holders(machine)
    return "; ".join(why_not(machine, name, held) for name in machine.next)


def _gone(mapping: AddressSpace) -> str:
    if mapping.freed:
        return "freed"
    return "reused" if mapping.reused else ""


def _folio(folio: Folio, held: dict[str, str]) -> Thing:
    flags = tuple(f"PG_{flag}" for flag in _FLAGS if getattr(folio, flag))
    lock = _lock("locked by ", held.get(str(folio)), "locked since before") if folio.locked else "not locked"
    if folio.refcount:
        count = f"refcount {folio.refcount}"
    else:
        count = "refcount frozen at 0" if folio.mapping else "refcount 0: a free page"
    points = f"folio->mapping -> {folio.mapping}" if folio.mapping else "folio->mapping is NULL"
    dangles = bool(folio.mapping and _gone(folio.mapping))
    return Thing(str(folio), "", "", flags, (lock, count), ((points, dangles),))


def _mapping(mapping: AddressSpace, machine: Machine, held: dict[str, str], pointers: list) -> Thing:
    fate, when = _gone(mapping), {event.step: event.t for event in machine.trace if event.on == mapping.name}
    headline = {"": "", "freed": f"FREED at step {when.get('free_inode', '?')}",
                "reused": f"another inode's since step {when.get('reuse_inode', '?')}"}[fate]
    arrows = tuple((f"{thread}'s variable {variable} -> {mapping}", bool(fate))
                   for thread, variable, owned in pointers if owned is mapping)
    if mapping.freed:                                   # what its memory holds says nothing of the file
        return Thing(f"mapping {mapping}", fate, headline, (), (), arrows)
    lock = "tree lock free"
    if mapping.i_pages_locked:
        lock = _lock("tree lock held by ", held.get(mapping.name), "tree lock held")
    facts: tuple[str, ...] = (f"i_count {mapping.i_count}", f"nrpages {mapping.nrpages}", lock)
    if mapping.i_locked:
        facts += (_lock("i_lock held by ", held.get(frames.lock_of("i_lock", mapping.name)), "i_lock held"),)
    return Thing(f"mapping {mapping}", fate, headline, tuple(flag_names(mapping.flags)), facts, arrows)


def _lock(by: str, thread: str | None, unknown: str) -> str:
    return by + thread if thread else unknown


def objects_html(things: Iterable[Thing]) -> str:
    """The boxes."""
    return f"<div class='kit-objects'>{''.join(map(_box, things))}</div>"


def _box(thing: Thing) -> str:
    headline = f" <span class='kit-chip kit-bad'>{escape(thing.headline)}</span>" if thing.headline else ""
    flags = "".join(chip(flag) for flag in thing.flags)
    facts = ", ".join(f"<b>{escape(fact)}</b>" if " by " in fact else escape(fact) for fact in thing.facts)
    arrows = "".join(f"<div>{_arrow(*arrow)}</div>" for arrow in thing.arrows)
    colour = f"kit-{thing.fate}" if thing.fate else ""
    return (f"<div class='kit-object {colour}'><b>{escape(thing.name)}</b>{headline}"
            f"<div>{flags}</div><div>{facts}</div>{arrows}</div>")


def _arrow(words: str, dangles: bool) -> str:
    words = escape(words.replace("->mapping", "\0")).replace("-&gt;", "&rarr;").replace("\0", "-&gt;mapping")
    return f"<span class='kit-chip kit-bad'>{words}: dangling</span>" if dangles else words


def chip(words: str, colour: str = "") -> str:
    """A word in a frame."""
    return f"<span class='kit-chip {colour}'>{escape(words)}</span>"
