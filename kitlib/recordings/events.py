"""What a recorded kernel did, event by event: read from a file, and told in the words of a prediction.

A file's `events` are JSON: a list of lists, each with its kind and the name of the task first. `as_tuples`
makes of them:

("begin", zone, migrate_pfn, free_pfn, mode), ("end", zone, migrate_pfn, free_pfn, status)
("iso", "free" or "fast", start, end, scanned, taken), ("fin", ret), ("mig", ok, failed)
("suit", zone, ret), ("deferred", "defer_compaction" or "defer_reset", zone, order_failed, considered, limit)
("try", priority, order), ("tryret", result), ("reclaim",), ("reclaimed", pages), ("page", pfn or -1)
("kwake", order), ("contig", start, end, result)

Leaves out whom the scanners asked for targets, and what other tasks did meanwhile.
"""
import json
import re
from collections.abc import Callable, Iterable
from functools import lru_cache

MOST_EVENTS = 1 << 18
DEFERRAL = "deferred", "defer_compaction", "defer_reset"
# The numbers that an event of this kind has behind its task; the others have text.
NUMBERS = {"iso": 4, "free": 4, "fast": 4, "allocpages": 1, "calloc": 1, "cfree": 1}
FIELDS = {"begin": (int, int, int, int, str), "end": (int, int, int, str), "fin": (str, int, str),
          "suit": (str, int, str), "mig": (int, int, str, str),
          **{kind: (int,) * many for kind, many in NUMBERS.items()}}


class EventError(ValueError):
    """The text is no list of events; the message says where."""


@lru_cache(maxsize=2)
def events_of(text: str) -> list[list]:
    """The events that a file's text holds, in order; EventError names the first that is none.

    The caller must not change them: the next one who asks is given the same.
    """
    try:
        events = json.loads(text)
    except ValueError as error:
        raise EventError(f"is not JSON: {error}") from error
    if not isinstance(events, list) or len(events) > MOST_EVENTS:
        raise EventError(f"is no list of at most {MOST_EVENTS:,} events")
    for number, event in enumerate(events):
        if not isinstance(event, list) or len(event) < 2 or not all(isinstance(x, str) for x in event[:2]):
            raise EventError(f"has no kind and task in event {number}")
        fields = FIELDS.get(event[0])
        if fields and tuple(map(type, event[2:])) != fields:
            raise EventError(f"has other fields in event {number}, {event[0]!r}, than {len(fields)}")
    return events


def _field(text: str, name: str) -> str:
    found = re.search(rf"\b{name}=(\S+)", text)
    if found is None:
        raise EventError(f"has no {name} in {text!r}")
    return found[1]


def _deferral(kind: str, text: str) -> tuple:
    numbers = (int(_field(text, name)) for name in ("order_failed", "consider", "limit"))
    return kind, _field(text, "zone"), *numbers


# By what a kind of event says: its fields to a tuple; `names` are those of the zones, by their first pfn.
AS_TUPLE: dict[str, Callable[[list, dict[int, str]], tuple]] = {
    "begin": lambda rest, names: ("begin", names[rest[0]], rest[1], rest[2], rest[4]),
    "end": lambda rest, names: ("end", names[rest[0]], *rest[1:4]),
    **{kind: lambda rest, _, kind=kind: (kind, *rest) for kind in ("iso", "free", "fast")},
    "fin": lambda rest, _: ("fin", rest[2]),
    "mig": lambda rest, _: ("mig", rest[0], rest[1]),
    "suit": lambda rest, _: ("suit", rest[0], rest[2]),
    **{kind: lambda rest, _, kind=kind: _deferral(kind, rest[0]) for kind in DEFERRAL},
    "try_to_compact_pages": lambda rest, _: ("try", int(_field(rest[0], "priority")),
                                             int(_field(rest[0], "order"))),
    "tryret": lambda rest, _: ("tryret", int(_field(rest[0], "ret"), 0)),
    "direct_reclaim_begin": lambda rest, _: ("reclaim",),
    "direct_reclaim_end": lambda rest, _: ("reclaimed", int(_field(rest[0], "nr_reclaimed"))),
    "allocpages": lambda rest, _: ("page", rest[0]),
    "kcompactd_wake": lambda rest, _: ("kwake", int(_field(rest[0], "order"))),
}


def as_tuples(events: Iterable[list], names: dict[int, str], tasks: set[str]) -> list[tuple]:
    """What these tasks did, as tuples; `names`: a zone's by its first pfn."""
    return [AS_TUPLE[kind](rest, names) for kind, task, *rest in events if task in tasks and kind in AS_TUPLE]


def contig_tuples(events: Iterable[list]) -> list[tuple]:
    """The calls of alloc_contig_range(), each before the ranges and migrations that it made.

    A call during which recording stopped is left out: its result is not known.
    """
    found: list[tuple] = []
    at = -1
    for kind, _, *rest in events:
        if kind == "contig":
            at = len(found)
            found.append(("contig", int(_field(rest[0], "start"), 0), int(_field(rest[0], "end"), 0)))
        elif kind == "contigret":
            found[at] += (int(_field(rest[0], "ret")),)
        elif at >= 0 and kind in ("iso", "free", "mig"):
            found.append(AS_TUPLE[kind](rest, {}))
    return found if at < 0 or len(found[at]) == 4 else found[:at]
