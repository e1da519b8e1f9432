"""The figures in the README: a table, not a test (make bench). Ratios come from one run on one machine."""
import itertools
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from math import log

import spin

import kitlib as kl
from kitlib import recordings, scan
from kitlib.compaction.control import isolation_mode
from kitlib.concurrency.explore import prove
from kitlib.concurrency.promela import promela
from kitlib.experiments import memory, sweep

PAGES = 1 << 20
SAMPLE = 20_000
SWEEP = {"unmovable": [step / 40 for step in range(20)], "kernel": ["before", "after"],
         "caller": ["direct async", "kcompactd", "proactive", "compact_memory"]}
SEEDS = range(30)


def seconds(work, times=7):
    """Median, fastest and slowest of several runs."""
    took = []
    for _ in range(times):
        begin = time.perf_counter()
        work()
        took.append(time.perf_counter() - begin)
    return statistics.median(took), min(took), max(took)


def path_on_a_sample(mode):
    """The same question asked of the path, page by page, on a fresh zone of SAMPLE pages; seconds a page."""
    zone = kl.random_zone(SAMPLE, 1)
    begin = time.perf_counter()
    for pfn in range(SAMPLE):
        kl.run_path(kl.after.isolate_folio(zone.folio(pfn), mode))
    return (time.perf_counter() - begin) / SAMPLE


def replay_all():
    for name in recordings.names():
        recordings.replay(recordings.load(name))


def predict_all():
    for recording in map(recordings.load, recordings.names()):
        recordings.predict(recording)


def compact(pages, repeat=3):
    """Seconds for compact_zone alone over a zone of so many pages, by the table: median of several runs."""
    took = []
    for seed in range(repeat):
        cc = kl.control_for("compact_memory", memory(pages, unmovable=0.1, seed=seed))
        cc.verdicts = scan.verdicts(cc.zone, cc.kernel, isolation_mode(cc), cc.release, cc.order).tobytes()
        begin = time.perf_counter()
        kl.compact_zone(cc)
        took.append(time.perf_counter() - begin)
    return statistics.median(took)


def exponent(seconds_by_pages):
    """The slope of log(seconds) over log(pages), by least squares."""
    points = [(log(pages), log(took)) for pages, took in seconds_by_pages.items()]
    x, y = (statistics.mean(values) for values in zip(*points))
    return sum((a - x) * (b - y) for a, b in points) / sum((a - x) ** 2 for a, _ in points)


def run_rows():
    """Whole runs of compact_zone: (what, figure, bound)."""
    predict, fastest, slowest = seconds(predict_all, 3)
    yield (f"all {len(recordings.names())} recordings loaded and predicted",
           f"{predict:.2f} s ({fastest:.2f}-{slowest:.2f})", "< 3 s")
    build, *_ = seconds(lambda: memory(unmovable=0.2), 200)
    yield "a zone of 4,096 pages from shares, built", f"{1e3 * build:.2f} ms", "< 0.3 ms"
    by_pages = {1 << bits: compact(1 << bits, 3 if bits > 16 else 9) for bits in range(12, 21, 2)}
    yield "compact_zone over 1,048,576 pages", f"{by_pages[PAGES]:.2f} s", "< 5 s"
    yield "  growth from 2^12 to 2^20 pages: exponent", f"{exponent(by_pages):.2f}", "< 1.1"
    begin = time.perf_counter()
    runs = len(sweep(memory, SWEEP, SEEDS))
    here = time.perf_counter() - begin
    yield f"sweep of {runs:,} runs over 4,096 pages", f"{here:.1f} s", "< 15 s"
    with ProcessPoolExecutor(2) as executor:
        sweep(memory, SWEEP, [0], executor)         # the processes are started and have everything imported
        begin = time.perf_counter()
        sweep(memory, SWEEP, SEEDS, executor)
    yield "  two processes are faster by", f"{here / (time.perf_counter() - begin):.2f} x", ">= 1.5 x"


def asked_once(source):
    with spin.pan_of(source) as pan:
        pan()


def race_rows():
    """The explorer, beside SPIN where it is installed: (what, figure, bound)."""
    proofs = {scenario.name: prove(scenario) for scenario in spin.SCENARIOS}
    took = {scenario.name: seconds(lambda: prove(scenario), 3)[0] for scenario in spin.SCENARIOS}
    small = [name for name, proof in proofs.items() if proof.states <= 20_000]
    ours, slowest = sum(took[name] for name in small), max(took, key=took.get)
    yield f"{len(small)} scenarios of at most 20,000 states, proved", f"{ours:.2f} s", ""
    yield f"  the slowest: {slowest}"[:52], f"{1e3 * took[slowest]:.0f} ms", "< 100 ms"
    if not spin.MISSING:
        sources = [promela(proofs[name].graph) for name in small]
        theirs, *_ = seconds(lambda: [asked_once(source) for source in sources], 1)
        yield "  spin -a, gcc -O0, pan on the same steps", f"{theirs:.1f} s", ""
        yield "  ours / SPIN's", f"{ours / theirs:.3f}", "<= 0.10"
    large = {"three compactors, truncator, reclaimer; one folio": dict(compactors=3, reclaimers=1),
             "two compactors, truncator, reclaimer; two folios": dict(folios=2, compactors=2, reclaimers=1)}
    for what, count in large.items():
        took, *_ = seconds(lambda: proofs.update(large=prove(kl.truncation_race(kl.after, **count))), 1)
        proof = proofs.pop("large")
        assert proof.safe
        yield what, f"{proof.states:,} states, {took:.1f} s", "< 300 s"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    yield "  memory at the peak", f"{peak:.1f} GB", "< 4 GB"
    stepper = kl.Stepper(kl.truncation_race(kl.racy).machine())
    stepper.replay("C3T21C1")
    back, *_ = seconds(lambda: (stepper.jump(20), stepper.back()), 50)
    step, *_ = seconds(lambda: (stepper.jump(0), [stepper.step() for _ in range(19)]), 50)
    yield ("a step of the Stepper, back from its end", f"{1e3 * step / 19:.2f} ms, {1e3 * back:.2f} ms",
           "< 1 ms, < 5 ms")


def rows():
    """(what, figure, bound)."""
    build, fastest, slowest = seconds(lambda: kl.random_zone(PAGES, 1), 5)
    yield "zone of 1,048,576 random pages, built", f"{build:.2f} s ({fastest:.2f}-{slowest:.2f})", "< 0.5 s"
    zone, mode = kl.random_zone(PAGES, 1), kl.Mode()
    table, fastest, slowest = seconds(lambda: scan.verdicts(zone, kl.after, mode), 15)
    yield ("reasons for 1,048,576 pages, by the table",
           f"{1e3 * table:.1f} ms ({1e3 * fastest:.1f}-{1e3 * slowest:.1f})", "")
    yield "  pages a second", f"{PAGES / table / 1e6:.0f} million", ">= 100 million"
    per_page = statistics.median(path_on_a_sample(mode) for _ in range(5))
    yield "  pages a second by the path (sample of 20,000)", f"{1e-6 / per_page:.2f} million", ""
    yield "  the table is faster by", f"{per_page * PAGES / table:.0f} x", ">= 100 x"
    columns = sum(memoryview(getattr(zone, name)).nbytes for name in zone.COLUMNS)
    yield "bytes a page, columns and result", f"{(columns + PAGES) / PAGES:.2f}", "<= 12"
    replay, fastest, slowest = seconds(replay_all, 3)
    yield (f"all {len(recordings.names())} recordings loaded and replayed",
           f"{replay:.2f} s ({fastest:.2f}-{slowest:.2f})", "< 2 s")
    start = "import time; begin = time.perf_counter(); import kitlib; print(time.perf_counter() - begin)"
    took = [float(subprocess.check_output([sys.executable, "-c", start])) for _ in range(7)]
    yield "import kitlib", f"{1e3 * statistics.median(took):.0f} ms", "< 100 ms"


def main():
    print(f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}; "
          "median (fastest-slowest)")
    for what, figure, bound in itertools.chain(rows(), race_rows(), run_rows()):
        print(f"{what:<52} {figure:>24}   {bound}", flush=True)


if __name__ == "__main__":
    main()
