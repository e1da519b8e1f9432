"""The tables beside a run: pages by state and vmstat's counters, before and now, with what the recorded kernel counted.

What is zero is dimmed. Leaves out colours of its own but for the states' swatches.
"""
from collections import Counter
from collections.abc import Iterator, Sequence

from .. import plots
from ..compaction.events import FreeEvent, IsolateEvent
from ..recordings.runs import Recording

TABLE_STYLE = f"""<style>
.kit-said {{ border-left: 4px solid #1976D2; padding: 2px 12px; line-height: 1.6; margin: 4px 0; min-height: 3.2em; }}
.kit-said code {{ font-weight: bold; font-size: 1.05em; background: none; color: inherit; }}
.kit-said span, .kit-dim {{ opacity: 0.85; line-height: 1.45; }}
.kit-run {{ display: flex; flex-flow: column; align-items: flex-start; line-height: 1.45; }}
.kit-run p {{ max-width: 420px; margin: 0; }}
.kit-counts {{ border-collapse: collapse; line-height: 1.55; font-variant-numeric: tabular-nums; margin-bottom: 8px; }}
.kit-counts td, .kit-counts th {{ text-align: right; padding: 0 0 0 16px; }}
.kit-counts td:first-child, .kit-counts th:first-child {{ text-align: left; padding-left: 0; }}
.kit-counts th {{ border-bottom: 1px solid #8A929C; font-weight: normal; white-space: nowrap; }}
.kit-zero {{ opacity: 0.72; }}
.kit-swatch {{ display: inline-block; width: 11px; height: 11px; border: 1px solid #8A929C; margin-right: 7px; }}
{"".join(f".kit-swatch-{state} {{ background: {colour}; }}" for state, colour in plots.LIGHT.items())}
{"".join(f"[data-jp-theme-light=false] .kit-swatch-{state} {{ background: {colour}; }}" for state, colour in plots.DARK.items())}
</style>"""
FREE_BLOCKS = "free blocks of order 9+"


def counter_rows(film: plots.Film, t: int, recording: Recording | None) -> Iterator[tuple[str, int, int, int | None]]:
    """Each counter: its name, before, now, and what the recorded kernel had counted at its end (None: not known)."""
    begin, now = film.counters(0), film.counters(t)
    kernel = recording.meta.get("vmstat_delta", {}) if recording else {}
    for name in plots.COUNTERS:
        yield name, begin[name], now[name], kernel.get(name)
    yield FREE_BLOCKS, film.frames[0].free_blocks, film.frames[t].free_blocks, None


def agreement(film: plots.Film, recording: Recording) -> str:
    """How many of the scanners' ranges, of the whole run, are the kernel's own."""
    number, words = {str(name): at for at, name in enumerate(recording.zone_name)}, []
    for scanner, kind, kernel in (("migrate", IsolateEvent, recording.isolate_ranges), ("free", FreeEvent, recording.free_ranges)):
        ours = Counter((number[frame.zone], *frame.event) for frame in film.frames if type(frame.event) is kind)
        same = (ours & Counter(map(tuple, kernel.tolist()))).total()
        words.append(f"{same:,} of the {len(kernel):,} ranges of its {scanner} scanner")
    return f"<p>Beside Linux {recording.kernel_version} itself: the model&rsquo;s run has {' and '.join(words)}.</p>"


def state_table(begin: Sequence[int], now: Sequence[int]) -> str:
    """Pages by state."""
    return _table("pages", ((f"<i class='kit-swatch kit-swatch-{state}'></i>{state}", int(was), int(is_now))
                            for state, was, is_now in zip(plots.STATES, begin, now)))


def counter_table(film: plots.Film, t: int, recording: Recording | None) -> str:
    """vmstat's counters; of a recorded run with what its kernel had counted at the end."""
    rows = counter_rows(film, t, recording)
    return _table("vmstat", (row if recording else row[:3] for row in rows), ("kernel&rsquo;s end",) * bool(recording))


def _table(title: str, rows: Iterator[tuple], more: tuple = ()) -> str:
    heads = "".join(f"<th>{head}</th>" for head in (title, "before", "now", "change", *more))
    return f"<table class='kit-counts'><tr>{heads}</tr>{''.join(map(_row, rows))}</table>"


def _row(row: tuple) -> str:
    name, was, now, *beside = row
    change = f"{now - was:+,}".replace("-", "\u2212")
    cells = [f"<td>{name}</td>", _cell(was, f"{was:,}"), _cell(now, f"{now:,}"), _cell(now - was, f"<b>{change}</b>" if now != was else "0")]
    cells += [f"<td>{'' if number is None else f'{number:,}'}</td>" for number in beside]
    return f"<tr>{''.join(cells)}</tr>"


def _cell(number: int, text: str) -> str:
    return f"<td{'' if number else ' class=kit-zero'}>{text}</td>"
