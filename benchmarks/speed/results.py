"""The results of a run as JSON."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from benchmarks.speed.figures import Figures
from benchmarks.speed.journal import Record
from benchmarks.speed.samples import Summary, summarize


def to_json(
    machine: Mapping[str, str],
    figures: Figures,
    ratios: Mapping[str, Summary],
    cpu_ratios: Mapping[str, Summary],
) -> dict[str, Any]:
    """Return the machine, the ratios with their extremes, and all figures.

    A figure is the milliseconds of a call, a start, a headline of a file or a token learnt.
    """
    return {
        "machine": dict(machine),
        "ratios": {name: ratio.median for name, ratio in ratios.items()},
        "ratio_ranges": {name: [ratio.low, ratio.high] for name, ratio in ratios.items()},
        "cpu_ratios": {name: ratio.median for name, ratio in cpu_ratios.items()},
        "figures": {
            section: {
                mode: {
                    name: to_figure(records) for name, records in figures.of(section, mode).items()
                }
                for mode in figures.modes(section)
            }
            for section in figures.sections
        },
    }


def to_figure(records: Sequence[Record]) -> dict[str, float]:
    """Return the medians of a candidate's rounds, and the extremes of the time by the clock."""
    wall = summarize([record.wall for record in records])
    figure = {
        "milliseconds": wall.median,
        "from": wall.low,
        "to": wall.high,
        "rounds": wall.count,
    }
    for kind, name in (
        ("cpu", "cpu_milliseconds"),
        ("first", "first_milliseconds"),
        ("peak", "peak_megabytes"),
    ):
        values = [getattr(record, kind) for record in records]
        if None not in values:
            figure[name] = median(values)
    return figure
