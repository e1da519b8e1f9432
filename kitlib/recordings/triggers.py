"""What each trigger made the kernel do, predicted from the snapshot: attempt by attempt, event by event.

Taken from the recording, and not predicted: which attempts an allocation makes and how much it reclaims in
between, when kcompactd is woken or its clock fires, which contiguous ranges are asked for. Everything else
follows from the snapshot: which zones are deferred, skipped or compacted, every range of the scanners and of
the fast searches, and what is deferred afterwards. Leaves out memory that others free or take meanwhile.
"""
import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from .. import scan
from ..compaction.attempts import (Pgdat, alloc_pages_direct_compact, kcompactd_do_work,
                                   proactive_compact_node, shrink_zones)
from ..compaction.compact_zone import compact_zone
from ..compaction.contig import alloc_contig_range
from ..compaction.control import CompactControl, Status, control_for, isolation_mode
from ..compaction.releases import parse_release
from ..mm.folio import PG
from ..mm.mmzone import PAGEBLOCK_ORDER
from ..mm.page_alloc import count_free_blocks, drain_pages_zone, free_unref_page
from ..mm.zone import Zone, pageblock_nr_pages, pageblock_start_pfn
from .events import as_tuples, contig_tuples, events_of
from .recording import Recording

# The fields of a trace event of the model, to the tuple of the same event of the kernel.
MODEL_TUPLE: dict[str, Callable[..., tuple]] = {
    "BeginEvent": lambda zone, event: ("begin", zone, event.migrate_pfn, event.free_pfn, event.sync),
    "EndEvent": lambda zone, event: ("end", zone, event.migrate_pfn, event.free_pfn, event.status),
    "IsolateEvent": lambda zone, event: ("iso", *event),
    "FreeEvent": lambda zone, event: ("free", *event),
    "FastFreeEvent": lambda zone, event: ("fast", *event),
    "FinishedEvent": lambda zone, event: ("fin", event.ret),
    "MigratePagesEvent": lambda zone, event: ("mig", event.succeeded, event.failed),
    "SuitableEvent": lambda zone, event: ("suit", *event),
    "DeferredEvent": lambda zone, event: ("deferred", *event),
    "DeferCompactionEvent": lambda zone, event: ("defer_compaction", *event),
    "DeferResetEvent": lambda zone, event: ("defer_reset", *event),
}
PAGES_PER_SECTION = 1 << 15                             # 128 MiB, which are plugged and removed together
KCOMPACTD, ALLOCATING = {"kcompactd0"}, {"labc"}        # who compacts, by the task's name


def model_tuples(trace: Iterable[NamedTuple], names: dict[int, str]) -> list[tuple]:
    """What the model has traced, as tuples; `names`: a zone's by its first pfn."""
    return [MODEL_TUPLE[type(event).__name__](names.get(getattr(event, "zone_start", -1), ""), event)
            for event in trace if type(event).__name__ in MODEL_TUPLE]


class Prediction:
    """A trigger's prediction as it goes on: the node, the runs so far, and the events."""

    def __init__(self, recording: Recording):
        self.recording = recording
        self.runs: list[CompactControl] = []
        self.events: list[tuple] = []
        zones = recording.zones
        for zone in zones:
            count_free_blocks(zone)
        self.pgdat = Pgdat(zones, recording.release, self.compact)
        self.names = {zone.start_pfn: zone.name for zone in zones}
        self.kernel = kernel_tuples(recording)

    def compact(self, caller: str, zone: Zone, order: int) -> tuple[CompactControl, Status]:
        """One run in a zone of the memory as it is now, with every event of its trace."""
        recording, unevictable = self.recording, self.recording.mode.unevictable
        orders = {} if caller == "proactive" else {"order": order}
        if caller == "proactive":
            orders["proactiveness"] = proactiveness(recording)
        cc = control_for(caller, zone, kernel=recording.kernel, release=recording.release,
                         traces_all=True, **orders)
        mode = isolation_mode(cc, unevictable)
        cc.verdicts = scan.verdicts(recording.memory, cc.kernel, mode, cc.release, cc.order).tobytes()
        self.runs.append(cc)
        return cc, compact_zone(cc, unevictable)

    def take(self, event: tuple) -> None:
        """What is not predicted: it is the kernel's own."""
        self.events.append(event)

    def tell(self) -> None:
        """Make tuples of what the node has traced since this was last called."""
        self.events += model_tuples(self.pgdat.trace, self.names)
        self.pgdat.trace.clear()


def proactiveness(recording: Recording) -> int:
    """vm.compaction_proactiveness, which the trigger's name ends with."""
    found = re.search(r"\d+$", str(recording.meta["trigger"]))
    return int(found[0]) if found else 0


def direct(prediction: Prediction) -> None:
    """An allocation's attempts, and the reclaim between them."""
    pgdat, order = prediction.pgdat, 0
    for event in prediction.kernel:
        if event[0] == "try":
            prediction.take(event)
            priority, order = event[1:]
            status, pfn = alloc_pages_direct_compact(pgdat, order, priority)
            prediction.tell()
            # The result of try_to_compact_pages() comes before what is reset when the page is there.
            reset = [prediction.events.pop()] if pfn is not None else []
            prediction.events += [("tryret", int(status)), *reset, ("page", -1 if pfn is None else pfn)]
        elif event[0] == "reclaim":
            prediction.take(event)
            shrink_zones(pgdat, order)
            prediction.tell()
        elif event[0] == "reclaimed":
            prediction.take(event)
            # __alloc_pages_direct_reclaim(): what was reclaimed may be on the lists of some CPU.
            if event[1]:
                for zone in pgdat.zones:
                    drain_pages_zone(zone)


def kcompactd(prediction: Prediction) -> None:
    """kcompactd is woken for an order."""
    for event in prediction.kernel:
        if event[0] == "kwake":
            prediction.take(event)
            kcompactd_do_work(prediction.pgdat, event[1])
            prediction.tell()


def proactive(prediction: Prediction) -> None:
    """kcompactd's clock fires; a round begins with the lowest zone."""
    lowest = prediction.pgdat.zones[0].name
    for event in prediction.kernel:
        if event[:2] == ("begin", lowest):
            proactive_compact_node(prediction.pgdat)
            prediction.tell()


def asked_before(recording: Recording, zone: Zone) -> list[tuple]:
    """What is traced before a run over a whole zone: up to 6.4 compaction_suitable() is asked even then."""
    return [("suit", zone.name, "continue")] if parse_release(recording.kernel_version) < (6, 5) else []


def kernel_tuples(recording: Recording) -> list[tuple]:
    """What the kernel did for this trigger, as tuples; none where the events were not recorded."""
    if "events" not in recording.arrays:
        return []
    if recording.trigger == "contig":
        return contig_tuples(events_of(str(recording.events)))
    names = {int(start): str(name) for start, name in zip(recording.zone_start, recording.zone_name)}
    tasks = KCOMPACTD if recording.trigger in PREDICTED else ALLOCATING
    return as_tuples(events_of(str(recording.events)), names, tasks)


def contiguous_ranges(prediction: Prediction) -> None:
    """Each range that is asked for, in order: whether it was had, and what was migrated for it."""
    recording, zones = prediction.recording, prediction.pgdat.zones
    for event in prediction.kernel:
        if event[0] != "contig":
            continue
        start, end, *_ = event[1:]
        zone = next(zone for zone in zones if zone.start_pfn <= start and end <= zone.end_pfn)
        zone.vmstat.update(nr_isolated_anon=0, nr_isolated_file=0)
        cc = control_for("alloc_contig_range", zone, kernel=recording.kernel, release=recording.release,
                         traces_all=True)
        result = alloc_contig_range(cc, start, end, zones)
        prediction.runs.append(cc)
        prediction.events.append(("contig", start, end, int(result)))
        prediction.events += model_tuples(cc.trace, prediction.names)
        if result == 0 and end - start == PAGES_PER_SECTION and zone is zones[-1]:
            _free_memory_map(zone)


def _free_memory_map(zone: Zone) -> None:
    """A section that is had whole is removed, and the page structs of its pages are free memory.

    They fill a pageblock that is in use and no folio. The recording does not say whose it is: the last one in
    the highest zone is taken for that of the section added last, which is removed first.
    """
    for start in range(pageblock_start_pfn(zone.end_pfn - 1), zone.start_pfn - 1, -pageblock_nr_pages()):
        end = start + pageblock_nr_pages()
        in_use = zone.refcount[start] == 1 and not any(zone.refcount[start + 1:end])
        if in_use and set(zone.flags[start:end]) == {PG.SLAB}:
            zone.refcount[start] = 0
            free_unref_page(zone, start, PAGEBLOCK_ORDER)
            return


def kernel_ranges(recording: Recording, name: str) -> np.ndarray:
    """The kernel's isolate_ranges or free_ranges; from the events where these arrays are empty."""
    if len(recording[name]) or "events" not in recording.arrays:
        return recording[name]
    numbers = {int(start): number for number, start in enumerate(recording.zone_start)}
    rows, number = [], -1
    for kind, _, *rest in events_of(str(recording.events)):
        if kind == "begin":
            number = numbers[rest[0]]
        elif kind == {"isolate_ranges": "iso", "free_ranges": "free"}[name]:
            rows.append((number, *rest))
    return np.array(rows, np.int64).reshape(-1, 5)


def not_traced(recording: Recording, kernel: list[tuple]) -> Iterator[str]:
    """Kinds of events that this recording's kernel does not trace."""
    if not any(event[0] == "page" for event in kernel):
        yield "page"
    # mm_compaction_fast_isolate_freepages is younger.
    if parse_release(recording.kernel_version) < (6, 3):
        yield "fast"


PREDICTED = {"kcompactd": kcompactd, "proactive": proactive, "contig": contiguous_ranges}    # others: direct


def predict_trigger(recording: Recording) -> Prediction:
    """Everything that one trigger does, by the model; the caller puts the recording's memory back."""
    prediction = Prediction(recording)
    PREDICTED.get(recording.trigger, direct)(prediction)
    dropped = set(not_traced(recording, prediction.kernel))
    for events in (prediction.events, prediction.kernel):
        events[:] = [event for event in events if event[0] not in dropped]
    return prediction
