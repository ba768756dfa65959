"""What is measured with: models, bundles and files, made once and kept in build/bench."""

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.speed.commit import Tree
from benchmarks.speed.errors import BenchError
from benchmarks.speed.process import Launcher
from inference.local.checkout import ROOT

FORMATS = ("torch", "onnx", "optimum", "openvino")  # each is made from those before it
BUNDLE_SCRIPT = Path(__file__).with_name("bundle.py")
VERSIONS = (ROOT / "constraints.txt", Path(__file__).with_name("models.py"))


@dataclass(frozen=True)
class Size:
    """Of the DistilBERT."""

    layers: int = 6
    dim: int = 768

    def __str__(self) -> str:
        return f"{self.layers} x {self.dim}"


@dataclass(frozen=True)
class Workshop:
    """Makes what is not there yet, in a folder, by processes on all cores."""

    folder: Path
    size: Size
    launcher: Launcher

    def make_models(self) -> Path:
        """Make the formats that the peers read; return the folder that has a folder for each."""
        digest = hashlib.sha256(b"".join(file.read_bytes() for file in VERSIONS)).hexdigest()
        models = self._keep_only("models", [digest[:12]])[0]
        for kind in FORMATS:
            size = self._size() if kind == "torch" else []
            command = ["-m", "benchmarks.speed.models", kind]
            self._make(models / kind, command, size, self.launcher, f"model-{kind}")
        return models

    def make_bundles(self, trees: Sequence[Tree]) -> dict[str, Path]:
        """Make each tree's bundle; return their folders by the digest of the tree.

        An earlier commit that cannot make one in the way that this tree does gets this tree's,
        and a line is printed that says so.

        Raises:
            BenchError: this tree cannot make one.
        """
        folders = self._keep_only("bundles", [tree.digest for tree in trees])
        bundles: dict[str, Path] = {}
        for tree, folder in zip(trees, folders, strict=True):
            launcher = Launcher(self.launcher.mode, self.launcher.log, tree.folder)
            try:
                self._make(folder, ["-P", BUNDLE_SCRIPT], self._size(), launcher, "bundle")
                bundles[tree.digest] = folder / "bundle"
            except BenchError as error:
                if tree is trees[0]:
                    raise
                bundles[tree.digest] = bundles[trees[0].digest]
                print(f"{tree.suffix} has the bundle of this tree, as it cannot make one: {error}")
        return bundles

    def _size(self) -> list[str]:
        return [str(self.size.layers), str(self.size.dim)]

    def _keep_only(self, kind: str, digests: Sequence[str]) -> list[Path]:
        """Return a folder for each digest, and delete those of other versions of this size."""
        parent = self.folder / kind / str(self.size).replace(" ", "")
        parent.mkdir(parents=True, exist_ok=True)
        for folder in parent.iterdir():
            if folder.name not in digests:
                shutil.rmtree(folder)
        return [parent / digest for digest in digests]

    def _make(
        self,
        folder: Path,
        command: Sequence[str | Path],
        size: Sequence[str],
        launcher: Launcher,
        name: str,
    ) -> None:
        """Make a folder by a command that gets its path; it appears when it is complete."""
        if folder.exists():
            return
        partial = folder.with_name(f"{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        launcher.start([*command, partial, *size], name).time()
        partial.rename(folder)
