"""The figures of a run: its records by section, mode and candidate, and the ratios of them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from benchmarks.speed import bulk, requests, starts, training
from benchmarks.speed.journal import Record
from benchmarks.speed.modes import Mode
from benchmarks.speed.samples import Change, Summary, compare, divide, summarize


class Figures:
    """Records, found by what they measured."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._records: dict[str, dict[str, dict[str, list[Record]]]] = defaultdict(
            lambda: defaultdict(lambda: defaultdict(list))
        )
        for record in records:
            self._records[record.section][record.mode][record.name].append(record)

    @property
    def sections(self) -> list[str]:
        """The sections, in the order in which they were measured."""
        return list(self._records)

    def modes(self, section: str) -> list[str]:
        """Return the modes that a section was measured in."""
        return list(self._records[section])

    def of(self, section: str, mode: str) -> Mapping[str, list[Record]]:
        """Return each candidate's records in a section and a mode, one for each round."""
        return self._records.get(section, {}).get(mode, {})


@dataclass(frozen=True)
class Ratio:
    """How many times as long one candidate takes as another, and the target."""

    name: str
    section: str
    over: str
    under: str
    target: float | None = None
    at_most: bool = False
    one_core: bool = False  # rather than all

    def of(self, figures: Figures, modes: "RatioModes", kind: str = "wall") -> list[float]:
        """Return the ratio in each round; none if it was not measured."""
        candidates = figures.of(self.section, modes.one if self.one_core else modes.all)
        if self.over not in candidates or self.under not in candidates:
            return []
        over, under = (
            [getattr(record, kind) for record in candidates[name]]
            for name in (self.over, self.under)
        )
        return divide(over, under) if None not in (*over, *under) else []

    def judge(self, value: float) -> str:
        """Say whether a value meets the target."""
        if self.target is None:
            return ""
        met = value <= self.target if self.at_most else value >= self.target
        bound = "at most" if self.at_most else "at least"
        return f"{bound} {self.target:g}: {'met' if met else 'MISSED'}"


@dataclass(frozen=True)
class RatioModes:
    """The names of the modes that ratios are made in."""

    one: str
    all: str

    @classmethod
    def of(cls, modes: Sequence[Mode]) -> Self:
        """Choose one core, and all cores, with AMX if there is any."""
        names = [mode.name for mode in modes if not mode.amx_denied]
        return cls(names[0], names[-1])


ONE = requests.ONE.format(16)
LIST = requests.LIST.format(128)
RATIOS = (
    Ratio("handler_over_bare", ONE, "handler", "bare", 1.1, at_most=True, one_core=True),
    Ratio("full_int8_over_transformers", ONE, "transformers", "full_int8", 7, one_core=True),
    Ratio("full_int8_over_optimum", ONE, "optimum_int8", "full_int8", one_core=True),
    Ratio("full_int8_over_openvino", ONE, "openvino_int8", "full_int8", 1, one_core=True),
    Ratio("shipped_over_transformers", ONE, "transformers", "shipped", 20, one_core=True),
    Ratio("list_over_singles", LIST, "singles_128", "list_128", one_core=True),
    Ratio("list_over_transformers", LIST, "transformers_128", "list_128", one_core=True),
    Ratio("list_over_openvino", LIST, "openvino_int8_128", "list_128", one_core=True),
    Ratio("cold_start_over_transformers", starts.SECTION, "transformers", "handler", 13),
    Ratio(
        "cold_start_one_core_over_transformers",
        *(starts.SECTION, "transformers", "handler", 13),
        one_core=True,
    ),
    Ratio("bulk_over_openvino", bulk.SECTION, "openvino_int8", "textclf_bulk", 1),
    Ratio("bulk_over_transformers", bulk.SECTION, "transformers", "textclf_bulk", 12),
    Ratio("training_over_trainer", training.SECTION, "trainer", training.OURS, 1.3),
)


def summarize_ratios(figures: Figures, modes: RatioModes, kind: str = "wall") -> dict[str, Summary]:
    """Return the ratios that were measured, by name."""
    values = {ratio.name: ratio.of(figures, modes, kind) for ratio in RATIOS}
    return {name: summarize(rounds) for name, rounds in values.items() if rounds}


@dataclass(frozen=True)
class Comparison:
    """One candidate of this tree next to the same of an earlier commit."""

    section: str
    mode: str
    name: str
    change: Change  # of the time by the clock
    cpu: Change | None  # of the CPU time
    peak: Change | None  # of the memory


def compare_trees(figures: Figures, suffix: str) -> list[Comparison]:
    """Compare each candidate with the one whose name ends in the suffix of a commit."""
    comparisons = []
    for section in figures.sections:
        for mode in figures.modes(section):
            candidates = figures.of(section, mode)
            for name, now in candidates.items():
                before = candidates.get(name + suffix)
                if before:
                    changes = [compare_by(kind, now, before) for kind in ("wall", "cpu", "peak")]
                    wall, cpu, peak = changes
                    assert wall
                    comparisons.append(Comparison(section, mode, name, wall, cpu, peak))
    return comparisons


def compare_by(kind: str, now: list[Record], before: list[Record]) -> Change | None:
    """Compare one kind of figure, if it was measured."""
    values = [[getattr(record, kind) for record in records] for records in (now, before)]
    if None in values[0] + values[1]:
        return None
    return compare(*values)
