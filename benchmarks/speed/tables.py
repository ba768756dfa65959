"""The tables that ``make bench`` prints."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import median

from benchmarks.speed import bulk, start_steps, training
from benchmarks.speed.figures import RATIOS, Comparison, Figures
from benchmarks.speed.journal import Record
from benchmarks.speed.samples import Change, Summary, summarize

NAMES = 40  # width of the first column
RATES = {bulk.SECTION: "headlines/s", training.SECTION: "tokens/s"}
STEP_MS = 10  # of CPU time, for a mark in the chart of a cold start


def list_section(figures: Figures, section: str) -> Iterator[str]:
    """Yield the lines of a section: a table for each mode."""
    for mode in figures.modes(section):
        yield ""
        if section == start_steps.SECTION:
            yield from list_steps(f"{section}, {mode}", figures.of(section, mode))
        else:
            yield from list_candidates(section, mode, figures.of(section, mode))


def list_candidates(
    section: str, mode: str, candidates: Mapping[str, Sequence[Record]]
) -> Iterator[str]:
    """Yield a table of times or rates: the median, the extremes, and what else was measured."""
    unit = RATES.get(section, "ms")
    others = [
        (kind, head)
        for kind, head in (("cpu", "CPU ms"), ("first", "first ms"), ("peak", "peak MB"))
        if all(
            getattr(record, kind) is not None
            for records in candidates.values()
            for record in records
        )
    ]
    heads = "".join(f"{head:>12}" for head in (unit, "from", "to", *(head for _, head in others)))
    yield f"{f'{section}, {mode}':{NAMES}}{heads}"
    for name, records in candidates.items():
        values = [1000 / record.wall if section in RATES else record.wall for record in records]
        summary = summarize(values)
        cells = [summary.median, summary.low, summary.high]
        cells += [median(getattr(record, kind) for record in records) for kind, _ in others]
        yield f"{name:{NAMES}}" + "".join(f"{format_figure(cell):>12}" for cell in cells)


def list_steps(title: str, steps: Mapping[str, Sequence[Record]]) -> Iterator[str]:
    """Yield a table of the steps of a start, with a chart."""
    yield f"{title:{NAMES}}{'ms':>12}{'CPU ms':>12}  {STEP_MS} ms of CPU each"
    for name, records in steps.items():
        wall = median(record.wall for record in records)
        cpu = median(record.cpu or 0 for record in records)
        yield f"{name:{NAMES}}{wall:12.0f}{cpu:12.0f}  {'#' * round(cpu / STEP_MS)}".rstrip()


def list_ratios(ratios: Mapping[str, Summary], cpu_ratios: Mapping[str, Summary]) -> Iterator[str]:
    """Yield a table of the ratios and their targets."""
    heads = "".join(f"{head:>12}" for head in ("ratio", "from", "to", "CPU"))
    yield ""
    yield f"{'':{NAMES}}{heads}"
    for ratio in RATIOS:
        if ratio.name not in ratios:
            continue
        summary, cpu = ratios[ratio.name], cpu_ratios.get(ratio.name)
        cells = [f"{value:12.2f}" for value in (summary.median, summary.low, summary.high)]
        cells.append(f"{cpu.median:12.2f}" if cpu else " " * 12)
        line = f"{ratio.name:{NAMES}}{''.join(cells)}  {ratio.judge(summary.median)}"
        yield line.rstrip()


def list_comparisons(comparisons: Iterable[Comparison], commit: str) -> Iterator[str]:
    """Yield a table of what takes longer or shorter than at a commit."""
    yield ""
    heads = f"{'time':>9}{'98 % sure of':>18}{'CPU':>9}{'memory':>9}"
    yield f"{f'change since {commit}':{NAMES}}{heads}"
    for one in comparisons:
        title = f"{one.name}, {one.section}, {one.mode}"
        cells = f"{one.change.median:+9.1%}{format_range(one.change):>18}"
        cells += "".join(
            f"{change.median:+9.1%}" if change else " " * 9 for change in (one.cpu, one.peak)
        )
        yield title
        yield f"{'':{NAMES}}{cells}  {one.change.verdict}"


def format_range(change: Change) -> str:
    """Return the bounds of a change."""
    return f"{change.low:+.1%} to {change.high:+.1%}"


def format_figure(value: float) -> str:
    """Return a figure with three digits or more, and no more decimals than that needs."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
