"""What metrics cost at full load.

    PYTHONPATH=engine:plugins python tests/benchmarks/metrics.py

The watch pipeline runs as fast as it goes, in turn with its meters, served over HTTP and scraped
more often than in life, and with meters that do nothing. CPU seconds are compared, those of the
scraping client left out. On a busy machine the pairs differ by more than what is measured, so the
meters' calls are timed, too, and a scrape by itself.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

from pipeline import Bench
from watch_data import watch_recordings, watch_records

from sensorium.observe import Exporter, Health, Meters
from sensorium.runtime import LocalExecutor

_SCRAPER = """
import sys, time, urllib.request
while True:
    with urllib.request.urlopen(sys.argv[1] + "/metrics", timeout=10) as answer:
        answer.read()
    time.sleep(float(sys.argv[2]))
"""


class NoMeters(Meters):
    """Counts nothing."""

    def stage(self, name: str, nanoseconds: int) -> None:
        pass

    def launched(self, sets: int) -> None:
        pass

    def landed(self, sets: Any, fused: int) -> None:
        pass

    def predicted(self, sets: Any, now: int, waited: Any) -> None:
        pass

    def buried(self, letters: Any) -> None:
        pass


class TimedMeters(Meters):
    """Counts, and notes what that takes; the taking of the time included."""

    seconds = 0.0


def _timed(name: str) -> Any:
    def method(self: TimedMeters, *arguments: Any) -> None:
        start = time.thread_time()
        getattr(super(TimedMeters, self), name)(*arguments)
        self.seconds += time.thread_time() - start

    return method


for _name in ("stage", "launched", "landed", "predicted", "buried"):
    setattr(TimedMeters, _name, _timed(_name))


@contextlib.contextmanager
def scraped(executor: LocalExecutor, every: float) -> Iterator[None]:
    """Serve an executor's metrics, and have another process ask for them."""
    with Exporter("watch", Health(), "127.0.0.1", 0, version="0", executor="local") as exporter:
        exporter.attach(executor.readings)
        client = subprocess.Popen([sys.executable, "-c", _SCRAPER, exporter.address, str(every)])
        try:
            yield
        finally:
            client.kill()
            client.wait()


def run(bench: Bench, meters: Meters | None, every: float) -> float:
    """CPU seconds of one run; without meters of its own, with those of the engine, scraped."""
    executor = bench.engine()
    with contextlib.ExitStack() as closing:
        if meters is None:
            closing.enter_context(scraped(executor, every))
        else:
            executor._line._tally.meters = meters
        gc.collect()
        start = time.process_time()
        executor.run()
        return time.process_time() - start


def scrape_seconds(bench: Bench, times: int = 100) -> float:
    """CPU seconds of one answer to a scrape, of a run that is over."""
    executor = bench.engine()
    executor.run()
    with Exporter("watch", Health(), "127.0.0.1", 0, version="0", executor="local") as exporter:
        exporter.attach(executor.readings)
        start = time.process_time()
        for _ in range(times):
            exporter.answer("/metrics", "")
        return (time.process_time() - start) / times


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeat", type=int, default=15, help="pairs of runs (default 15)")
    parser.add_argument("--every", type=float, default=1, help="seconds between scrapes")
    given = parser.parse_args(arguments)
    source, recordings = watch_recordings()
    bench = Bench("stats", watch_records(recordings), 64, 1)
    streams = bench.pipeline.streams
    run(bench, NoMeters(streams), given.every)  # warms up
    gc.freeze()
    pairs = []
    for number in range(given.repeat):
        # Each is first as often as the other.
        order = (None, NoMeters(streams)) if number % 2 else (NoMeters(streams), None)
        cost = {meters is None: run(bench, meters, given.every) for meters in order}
        pairs.append((cost[True], cost[False]))
    with_metrics, without = (median(side) for side in zip(*pairs, strict=True))
    shares = sorted(one / other - 1 for one, other in pairs)
    low, high = shares[len(shares) // 4], shares[-len(shares) // 4]
    timed = TimedMeters(streams)
    total = run(bench, timed, given.every)
    scrape = scrape_seconds(bench)
    print(f"watch on {source}, {len(bench.records):,} records, {given.repeat} pairs of runs")
    print(f"  CPU with metrics, scraped each {given.every:g} s  {with_metrics:.3f} s")
    print(f"  CPU without                       {without:.3f} s")
    print(f"  cost, median of the pairs         {median(shares):.1%} ({low:.1%} to {high:.1%})")
    print(f"  in the meters' own calls          {timed.seconds / total:.2%} of {total:.3f} s")
    print(f"  one scrape                        {scrape * 1e3:.1f} ms CPU")
    print(f"  scraped each 15 s                 {scrape / 15:.3%} of a core")
    return 0


if __name__ == "__main__":
    sys.exit(main())
