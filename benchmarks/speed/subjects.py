"""What takes part in a run: source trees and their bundles, peers, modes, and how much is done."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.speed.commit import Tree
from benchmarks.speed.modes import Mode
from benchmarks.speed.process import Launcher

PEERS = ("transformers", "optimum_int8", "onnxruntime_fp32", "openvino_int8")


@dataclass(frozen=True)
class Amounts:
    """How much is measured; the rounds of a mode without AMX are half as many."""

    requests: int = 4  # rounds
    starts: int = 7
    bulk: int = 3
    training: int = 2
    turns: int = 3  # of each candidate in a round
    calls: int = 25  # with one headline in a turn
    texts: int = 128  # in a list
    lengths: tuple[int, ...] = (16, 32)  # tokens of the single headlines
    bulk_texts: int = 12_000  # on all cores
    training_rows: int = 960  # of which 86 % are learnt


# It takes seven rounds to be certain of a change. Without peers, each takes less time.
COMPARISON = Amounts(requests=8, starts=12, bulk=7, training=7, bulk_texts=6_000, training_rows=320)
TINY = Amounts(1, 1, 1, 1, 1, 1, 4, (16,), 40, 100)


@dataclass(frozen=True)
class Subjects:
    """What takes part, and the folder in which it works."""

    folder: Path
    trees: tuple[Tree, ...]  # this one first
    bundles: dict[str, Path]  # by digest of the tree
    peers: tuple[str, ...]
    models: Path | None  # of the peers; None if there are none
    modes: tuple[Mode, ...]
    amounts: Amounts

    def launchers(self, mode: Mode) -> Iterator[tuple[Tree, Launcher]]:
        """Yield each tree and what starts its processes."""
        for tree in self.trees:
            yield tree, Launcher(mode, self.folder / "log", tree.folder)

    def launcher(self, mode: Mode) -> Launcher:
        """Return what starts processes of this tree."""
        return Launcher(mode, self.folder / "log")

    def bundle(self, tree: Tree) -> Path:
        """Return the folder of a tree's bundle."""
        return self.bundles[tree.digest]
