"""Run `textclf train`, and write the seconds that its steps and validations took.

Runs by its path, with the source tree to measure in PYTHONPATH:

    PYTHONPATH=TREE python -P benchmarks/speed/train_ours.py SECONDS.json --data ROWS.csv …
"""

import json
import sys
import time
from pathlib import Path
from typing import Any


def main(result: str, options: list[str]) -> int:
    """Train; return the exit code."""
    from textclf.app import main as textclf
    from training.fit import train

    module: Any = train
    run_steps = module.run_steps

    def timed(*arguments: Any) -> None:
        started, used = time.perf_counter(), time.process_time()
        run_steps(*arguments)
        took = {"wall": time.perf_counter() - started, "cpu": time.process_time() - used}
        Path(result).write_text(json.dumps(took))

    module.run_steps = timed
    return textclf(["train", *options])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
