"""Experiments: many compaction runs over made-up memory, one row a run, in one process, several or a cluster.

`measure` runs one compact_zone over a zone, such as scenarios.memory() makes; `sweep` does that for every
combination of parameters and for every seed; the functions at the end ask the ready-made questions. Leaves
out everything distributed: whatever is a concurrent.futures.Executor will do.
"""
import importlib
import inspect
import pickle
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from contextlib import closing, contextmanager
from itertools import product
from numbers import Integral
from types import ModuleType
from typing import NamedTuple

import numpy as np
import pandas as pd
from IPython import get_ipython

from . import frames, scan
from .compaction.compact_zone import compact_zone
from .compaction.control import CALLERS, control_for, isolation_mode
from .kernels import after, before, check_kernel, name, racy
from .mm.page_alloc import count_free_blocks, fragmentation_index
from .mm.zone import MAX_ORDER, PAGEBLOCK_ORDER, Zone
from .scenarios import dirty_memory, memory

KERNELS = {"before": before, "racy": racy, "after": after}
# What a run takes besides its zone; every other key of `over` is a parameter of `build`.
_RUN = {"kernel": after, "caller": "compact_memory", "order": PAGEBLOCK_ORDER,
        "compact_unevictable_allowed": True}
# The columns of a row after its parameters: pages by kind (frames.page_kinds), then what the run did, in base
# pages.
MEASURES = ("mode", "seed", *(f"{kind}_pages" for kind in frames.PAGE_KINDS), "lru_scanned", "isolated",
            "migrated", *(f"failed_{code}" for code in frames.FAILURES), "isolation_success",
            "migration_success", "targets", "largest_order_before", "largest_order_after",
            "fragmentation_index_before", "fragmentation_index_after", "status")
RUNS_A_TASK = 32


class RunError(ValueError):
    """One run of a sweep failed; the message names its parameters."""


class StopSweep(Exception):
    """Raise it in a progress function, or return True there: the sweep ends, and what is done is kept."""


def measure(zone: Zone, kernel: ModuleType = after, caller: str = "compact_memory",
            order: int = PAGEBLOCK_ORDER, compact_unevictable_allowed: bool = True) -> dict:
    """One compact_zone over `zone`, which it changes: pages by kind before, and what was done: MEASURES.

    Callers that compact the whole zone have no order of their own: `order` is nothing to them.
    """
    kinds = _kinds(zone)
    cc = control_for(caller, zone, order, kernel=kernel)
    mode = isolation_mode(cc, compact_unevictable_allowed)
    cc.verdicts = scan.verdicts(zone, kernel, mode, cc.release, cc.order).tobytes()
    count_free_blocks(zone)             # zone.nr_free, which is not kept while a zone is built
    on_lru, before = frames.lru_pages(zone), _free_memory(zone, "before")
    status = compact_zone(cc, compact_unevictable_allowed)
    return {**{f"{kind}_pages": pages for kind, pages in kinds.items()}, **frames.run_counts(cc, on_lru),
            **before, **_free_memory(zone, "after"), "mode": cc.mode.name, "status": status.name}


def _kinds(zone: Zone) -> dict[str, int]:
    """The zone's pages by kind, if it is a zone that can be compacted."""
    if not isinstance(zone, Zone):
        raise TypeError(f"build gave {zone!r} and no Zone: end it with `return zone`")
    kinds = frames.page_kinds(zone)
    if not kinds["free"]:
        raise ValueError("the zone has no free page, so nothing could move: write memory(free=0.1) or more")
    return kinds


def _free_memory(zone: Zone, when: str) -> dict[str, int]:
    largest = max((order for order, by_type in enumerate(zone.nr_free) if any(by_type)), default=-1)
    return {f"largest_order_{when}": largest,
            f"fragmentation_index_{when}": fragmentation_index(zone, PAGEBLOCK_ORDER)}


class _Run(NamedTuple):
    """One run: what to build, what to run on it, how its row begins. A kernel that must travel is a name."""

    build: Callable[..., Zone]
    arguments: dict
    run: dict
    row: dict
    seed: int


def sweep(build: Callable[..., Zone], over: Mapping[str, Iterable], seeds: Iterable[int],
          executor: Executor | None = None,
          progress: Callable[[int, int], object] | None = None) -> pd.DataFrame:
    """One row a run, for all values in `over` and `seeds`: sweep(memory, {"free": [0.2, 0.4]}, range(9)).

    `over` has values for parameters of build(**parameters, seed=seed) -> Zone, and for kernel (modules or
    names), caller, order and compact_unevictable_allowed. Columns: the parameters, kernel, caller, MEASURES;
    rows in the product's order. The same seeds give the same frame with any executor: ProcessPoolExecutor(),
    or Dask's client.get_executor(). `progress(done, total)` is called as runs end (default: a bar that is
    gone at the end). When it returns True or raises StopSweep, or at an interrupt, what is done is kept, and
    frame.attrs["stopped"] says how far it came.
    """
    runs = _plan(build, over, seeds, executor)
    rows: dict[int, dict] = {}          # by the number of the run: with an executor runs end in any order
    report = progress or _progress_bar()
    try:
        here = ({number: _do(run)} for number, run in enumerate(runs))
        with closing(here if executor is None else _on(executor, runs)) as results:
            for done in results:
                rows |= done
                if report(len(rows), len(runs)) is True:
                    break
    except (KeyboardInterrupt, StopSweep):
        pass
    finally:
        if progress is None:
            report(0, 0)
    columns = [*(key for key in over if key not in ("kernel", "caller")), "kernel", "caller", *MEASURES]
    frame = pd.DataFrame([rows[number] for number in sorted(rows)], columns=columns)
    if len(rows) < len(runs):
        frame.attrs["stopped"] = f"after {len(rows):,} of {len(runs):,} runs"
    return frame


def _on(executor: Executor, runs: list[_Run]) -> Iterator[dict[int, dict]]:
    """Some runs a task, as tasks are done; those not begun are cancelled when nobody asks for more."""
    size = max(1, min(RUNS_A_TASK, len(runs) // 32))
    # A module cannot be pickled: its name goes, and the other process imports it.
    runs = [run._replace(run=run.run | {"kernel": run.run["kernel"].__name__}) for run in runs]
    futures = {}
    try:
        for start in range(0, len(runs), size):
            futures[executor.submit(_do_all, runs[start:start + size])] = start
        for future in as_completed(futures):
            yield dict(enumerate(future.result(), futures[future]))
    except RuntimeError as error:
        raise RuntimeError(f"the executor was shut down or broke ({error}): make a new one for a build that "
                           "can be imported: with ProcessPoolExecutor() as executor: sweep(...)") from error
    finally:
        for future in futures:
            future.cancel()


def _do_all(runs: list[_Run]) -> list[dict]:
    return [_do(run) for run in runs]


def _do(run: _Run) -> dict:
    with _named(run):
        kernel = run.run["kernel"]
        kernel = importlib.import_module(kernel) if isinstance(kernel, str) else kernel
        return run.row | measure(run.build(**run.arguments, seed=run.seed), **run.run | {"kernel": kernel})


@contextmanager
def _named(run: _Run) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        parameters = ", ".join(f"{key}={value!r}" for key, value in run.row.items())
        raise RunError(f"the run with {parameters} failed: {type(error).__name__}: {error}") from error


def _plan(build: Callable, over: Mapping, seeds: Iterable[int], executor: Executor | None) -> list[_Run]:
    """Every run in order; whatever is wrong with the input is said before the first."""
    numbers = list(seeds) if isinstance(seeds, Iterable) else []
    if not numbers or not all(isinstance(seed, Integral) for seed in numbers):
        raise ValueError(f"seeds={seeds!r} is not one whole number or several: write seeds=range(10)")
    over = {key: _values(key, values) for key, values in over.items()}
    _check_build(build, over)
    runs, built = [], set()
    for values in product(*over.values()):
        row = dict(zip(over, values))
        orders = _RUN | {key: row.pop(key) for key in _RUN if key in row}
        columns = {key: orders[key] for key in over if key in _RUN}
        columns |= {"kernel": name(orders["kernel"]), "caller": orders["caller"]}
        runs += [_Run(build, row, orders, row | columns | {"seed": seed}, seed) for seed in numbers]
        # One zone of each sort is built now: an error after an hour would be told too late.
        if repr(row) not in built:
            built.add(repr(row))
            with _named(runs[-len(numbers)]):
                _kinds(build(**row, seed=numbers[0]))
    if executor is not None:
        _check_travel(build, executor, over.get("kernel", ()))
    return runs


def _values(key: str, values: Iterable) -> list:
    """The values of one key, as a list; kernels as modules."""
    if not isinstance(values, Iterable) or isinstance(values, (str, ModuleType)):
        raise TypeError(f"{key} is to take {values!r}, not several values: write {{{key!r}: [{values!r}]}}")
    values = values.tolist() if isinstance(values, np.ndarray) else list(values)
    legal = {"caller": tuple(CALLERS), "order": range(-1, MAX_ORDER + 1), "kernel": tuple(KERNELS),
             "compact_unevictable_allowed": (True, False)}.get(key)
    if not values:
        raise ValueError(f"{key} has no value: write {{{key!r}: [...]}} with one at least")
    if key == "kernel":
        named = [KERNELS.get(value, value) if isinstance(value, str) else value for value in values]
        return [check_kernel(kernel) for kernel in named]
    if legal and (wrong := [value for value in values if value not in legal]):
        one_of = f"one of {', '.join(map(str, legal))}"
        options = f"-1 for the whole zone, or 0 to {MAX_ORDER}" if key == "order" else one_of
        raise ValueError(f"no {key} {wrong[0]!r}: write {options}")
    return values


def _check_build(build: Callable, over: Mapping) -> None:
    parameters = inspect.signature(build).parameters
    takes_all = any(parameter.kind == parameter.VAR_KEYWORD for parameter in parameters.values())
    known = [key for key in parameters if key != "seed"]
    if not takes_all and "seed" not in parameters:
        raise TypeError(f"build takes no seed: write def build({', '.join([*known, 'seed=0'])})")
    if taken := [key for key in over if key in MEASURES]:
        raise ValueError(f"{taken[0]!r} is a column that every run has: write seeds=..., or another name")
    if not takes_all and (unknown := [key for key in over if key not in parameters and key not in _RUN]):
        raise ValueError(f"nothing takes {unknown[0]!r}: write one of {', '.join([*known, *_RUN])} in `over`")


def _check_travel(build: Callable, executor: Executor, kernels: Iterable[ModuleType]) -> None:
    """Whether all that a run needs gets to another process."""
    if not isinstance(executor, Executor):
        raise TypeError(f"{executor!r} is no concurrent.futures.Executor: "
                        "write executor=ProcessPoolExecutor(), or with Dask executor=client.get_executor()")
    if strange := [kernel for kernel in kernels if sys.modules.get(kernel.__name__) is not kernel]:
        raise TypeError(f"{strange[0]!r} cannot be imported elsewhere: put it in a module, or omit executor=")
    try:
        if isinstance(executor, ProcessPoolExecutor):
            pickle.dumps(build)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise TypeError(f"{build!r} cannot be sent to other processes ({error}): define it with `def` "
                        "at the top of a module and import it, or leave out executor=") from None


def _progress_bar() -> Callable[[int, int], None]:
    """A line of text, after the first second, where somebody looks on: a terminal or a notebook run by hand.

    (0, 0) takes it away, in a notebook with the cell's other output: nothing less would leave nothing behind.
    """
    shell, begin, shown = get_ipython(), time.monotonic(), []
    by_hand = hasattr(shell, "kernel") and shell.get_parent().get("content", {}).get("allow_stdin", False)
    out = sys.stdout if by_hand else sys.stderr

    def report(done: int, total: int) -> None:
        if total and (by_hand or out.isatty()) and time.monotonic() > begin + 1:
            line = f"{'#' * (done * 40 // total):.<40} {done:,} of {total:,} runs"
            if shown[-1:] != [line]:
                shown[:] = [line]
                out.write("\r" + line)
                out.flush()
        elif not total and shown and by_hand:
            shell.display_pub.clear_output()
        elif not total and shown:
            out.write("\r" + " " * len(shown[0]) + "\r")

    return report


# The ready-made questions. What is given as `over` takes the place of the values here, or is added to them.
TENTHS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
BOTH = ("before", "after")


def unmovable_share(seeds=range(10), executor=None, progress=None, **over) -> pd.DataFrame:
    """How much compaction takes, the more of memory is guest_memfd's: both kernels, every caller."""
    over = {"unmovable": TENTHS, "kernel": BOTH, "caller": CALLERS, **over}
    return sweep(memory, over, seeds, executor, progress)


def unevictable_share(seeds=range(10), executor=None, progress=None, **over) -> pd.DataFrame:
    """The same, the more of memory is mlocked: with vm.compact_unevictable_allowed and without."""
    over = {"unevictable": TENTHS, "compact_unevictable_allowed": (True, False), **over}
    return sweep(memory, over, seeds, executor, progress)


def dirty_share(seeds=range(10), executor=None, progress=None, **over) -> pd.DataFrame:
    """What dirty pages cost, by whether their mapping has a migrate_folio and whether the caller may wait."""
    callers = ("kcompactd", "compact_memory")
    over = {"dirty": TENTHS, "migrate_folio": (True, False), "caller": callers, **over}
    return sweep(dirty_memory, over, seeds, executor, progress)


def wasted_work(seeds=range(10), executor=None, progress=None, **over) -> pd.DataFrame:
    """What the patch saves: targets asked for in vain (a column, wasted_targets) and failed migrations."""
    over = {"unmovable": TENTHS, "kernel": BOTH, "caller": ("kcompactd",), **over}
    frame = sweep(memory, over, seeds, executor, progress)
    return frame.assign(wasted_targets=frame.targets - frame.migrated)


def free_block(seeds=range(30), executor=None, progress=None, **over) -> pd.DataFrame:
    """How likely a free block of order 9 is afterwards (a column of yes and no, order_9_is_free)."""
    over = {"unmovable": (0.0, 0.001, 0.002, 0.004, 0.008, 0.016), "grouped": (False, True), **over}
    frame = sweep(memory, over, seeds, executor, progress)
    return frame.assign(order_9_is_free=frame.largest_order_after >= PAGEBLOCK_ORDER)
