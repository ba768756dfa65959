"""Bundles that differ from another one in what their manifest says."""

import json
import shutil
from pathlib import Path

from inference.model.bundle import parse_manifest


def altered(bundle: Path, folder: Path, **changes: object) -> Path:
    """Copy a bundle and change its manifest."""
    shutil.copytree(bundle, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    for name, value in changes.items():
        manifest[name] = manifest[name] | value if isinstance(value, dict) else value
    (folder / "manifest.json").write_bytes(parse_manifest(json.dumps(manifest).encode()).to_bytes())
    return folder
