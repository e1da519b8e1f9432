"""The tables beside a run: pages by state, vmstat's counters, before and now, and what a recorded kernel had.

What is zero is dimmed. The states' swatches have their colours from kit.css.
"""
from collections import Counter
from collections.abc import Iterator, Sequence

from .. import plots
from ..compaction.events import FreeEvent, IsolateEvent
from ..recordings import Recording

_FREE_BLOCKS = "free blocks of order 9+"


def counter_rows(film: plots.Film, t: int,
                 recording: Recording | None) -> Iterator[tuple[str, int, int, int | None]]:
    """Each counter: its name, before, now, and what the recorded kernel had at its end (None: not known)."""
    begin, now = film.counters(0), film.counters(t)
    kernel = recording.meta.get("vmstat_delta", {}) if recording else {}
    for name in plots.COUNTERS:
        yield name, begin[name], now[name], kernel.get(name)
    yield _FREE_BLOCKS, film.frames[0].free_blocks, film.frames[t].free_blocks, None


def agreement(film: plots.Film, recording: Recording) -> str:
    """How many of the scanners' ranges, of the whole run, are the kernel's own."""
    number, words = {str(name): at for at, name in enumerate(recording.zone_name)}, []
    scanners = (("migrate", IsolateEvent, recording.isolate_ranges),
                ("free", FreeEvent, recording.free_ranges))
    for scanner, kind, kernel in scanners:
        events = ((number[frame.zone], *frame.event) for frame in film.frames if type(frame.event) is kind)
        ours = Counter(events)
        same = (ours & Counter(map(tuple, kernel.tolist()))).total()
        words.append(f"{same:,} of the {len(kernel):,} ranges of its {scanner} scanner")
    both = " and ".join(words)
    return f"<p>Beside Linux {recording.kernel_version} itself: the model&rsquo;s run has {both}.</p>"


def state_table(begin: Sequence[int], now: Sequence[int]) -> str:
    """Pages by state."""
    return _table("pages", ((f"<i class='kit-swatch kit-swatch-{state}'></i>{state}", int(was), int(is_now))
                            for state, was, is_now in zip(plots.STATES, begin, now, strict=True)))


def counter_table(film: plots.Film, t: int, recording: Recording | None) -> str:
    """vmstat's counters; of a recorded run with what its kernel had counted at the end."""
    rows = counter_rows(film, t, recording)
    if recording:
        return _table("vmstat", rows, "kernel&rsquo;s end")
    return _table("vmstat", (row[:3] for row in rows))


def _table(title: str, rows: Iterator[tuple], *more: str) -> str:
    heads = "".join(f"<th>{head}</th>" for head in (title, "before", "now", "change", *more))
    return f"<table class='kit-counts'><tr>{heads}</tr>{''.join(map(_row, rows))}</table>"


def _row(row: tuple) -> str:
    name, was, now, *beside = row
    change = f"<b>{now - was:+,}</b>".replace("-", "\u2212") if now != was else "0"
    cells = [f"<td>{name}</td>", _cell(was, f"{was:,}"), _cell(now, f"{now:,}"), _cell(now - was, change)]
    cells += [f"<td>{'' if number is None else f'{number:,}'}</td>" for number in beside]
    return f"<tr>{''.join(cells)}</tr>"


def _cell(number: int, text: str) -> str:
    return f"<td{'' if number else ' class=kit-zero'}>{text}</td>"
