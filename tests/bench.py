"""The figures in the README: a table, not a test (make bench). Ratios come from one run on one machine."""
import os
import platform
import statistics
import subprocess
import sys
import time

import kitlib as kl
from kitlib import recordings, scan

PAGES = 1 << 20
SAMPLE = 20_000


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


def rows():
    """(what, figure, bound)."""
    build, fastest, slowest = seconds(lambda: kl.random_zone(PAGES, 1), 5)
    yield "zone of 1,048,576 random pages, built", f"{build:.2f} s ({fastest:.2f}-{slowest:.2f})", "< 0.5 s"
    zone, mode = kl.random_zone(PAGES, 1), kl.Mode()
    table, fastest, slowest = seconds(lambda: scan.verdicts(zone, kl.after, mode), 15)
    yield "reasons for 1,048,576 pages, by the table", f"{1e3 * table:.1f} ms ({1e3 * fastest:.1f}-{1e3 * slowest:.1f})", ""
    yield "  pages a second", f"{PAGES / table / 1e6:.0f} million", ">= 100 million"
    per_page = statistics.median(path_on_a_sample(mode) for _ in range(5))
    yield "  pages a second by the path (sample of 20,000)", f"{1e-6 / per_page:.2f} million", ""
    yield "  the table is faster by", f"{per_page * PAGES / table:.0f} x", ">= 100 x"
    columns = sum(memoryview(getattr(zone, name)).nbytes for name in zone.COLUMNS)
    yield "bytes a page, columns and result", f"{(columns + PAGES) / PAGES:.2f}", "<= 12"
    replay, fastest, slowest = seconds(replay_all, 3)
    yield f"all {len(recordings.names())} recordings loaded and replayed", f"{replay:.2f} s ({fastest:.2f}-{slowest:.2f})", "< 1.5 s"
    start = "import time; begin = time.perf_counter(); import kitlib; print(time.perf_counter() - begin)"
    took = [float(subprocess.check_output([sys.executable, "-c", start])) for _ in range(7)]
    yield "import kitlib", f"{1e3 * statistics.median(took):.0f} ms", "< 100 ms"


def main():
    print(f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}; median (fastest-slowest)")
    for what, figure, bound in rows():
        print(f"{what:<52} {figure:>24}   {bound}")


if __name__ == "__main__":
    main()
