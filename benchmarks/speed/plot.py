"""The plot of a run, for the documentation."""

from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.speed import bulk, starts, training
from benchmarks.speed.figures import LIST, ONE, Figures, RatioModes
from benchmarks.speed.samples import summarize
from benchmarks.speed.tables import format_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OURS, PEERS = "#1f6feb", "#9aa4b2"
OWN_NAMES = ("handler", "list_128", "textclf_bulk", "textclf_train")
# Candidates, in order, and what the plot calls them.
NAMES = {
    "handler": "this project",
    "list_128": "this project",
    "textclf_bulk": "this project",
    "textclf_train": "this project",
    "openvino_int8": "OpenVINO, int8",
    "optimum_int8": "optimum, int8",
    "onnxruntime_fp32": "onnxruntime, fp32",
    "transformers": "transformers, fp32",
    "trainer_by_length": "Trainer, by length",
    "trainer": "Trainer",
}


def draw(figures: Figures, modes: RatioModes, path: Path) -> None:
    """Draw a panel for each section, with the extremes of the rounds as whiskers."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "bench"  # the same figures give the same file
    from matplotlib import pyplot

    panels = [
        (ONE, modes.one, "One headline: ms", False),
        (LIST, modes.one, "128 headlines in a list: ms", False),
        (starts.SECTION, modes.all, "From start to first answer: ms", False),
        (bulk.SECTION, modes.all, "A file, all cores: headlines a second", True),
        (training.SECTION, modes.all, "Fine-tuning, all cores: tokens a second", True),
    ]
    panels = [panel for panel in panels if figures.of(*panel[:2])]
    figure, axes = pyplot.subplots(
        len(panels), 1, figsize=(7, 1.5 * len(panels)), squeeze=False, layout="constrained"
    )
    for axis, (section, mode, title, is_rate) in zip(axes[:, 0], panels, strict=True):
        _draw_panel(axis, figures, section, mode, is_rate)
        axis.set_title(title, loc="left", fontsize=10)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def _draw_panel(axis: "Axes", figures: Figures, section: str, mode: str, is_rate: bool) -> None:
    """Draw a bar for each candidate, the first on top."""
    candidates = {
        name.removesuffix("_128") if name != "list_128" else name: records
        for name, records in figures.of(section, mode).items()
    }
    shown = [name for name in NAMES if name in candidates]
    summaries = [
        summarize([1000 / r.wall if is_rate else r.wall for r in candidates[name]])
        for name in shown
    ]
    medians = [summary.median for summary in summaries]
    bars = axis.barh(
        [NAMES[name] for name in shown],
        medians,
        color=[OURS if name in OWN_NAMES else PEERS for name in shown],
        xerr=[
            [summary.median - summary.low for summary in summaries],
            [summary.high - summary.median for summary in summaries],
        ],
        error_kw={"elinewidth": 1, "capsize": 2},
    )
    axis.bar_label(bars, [format_figure(value) for value in medians], padding=12, fontsize=8)
    axis.margins(x=0.15)
    axis.invert_yaxis()
    axis.tick_params(labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)
