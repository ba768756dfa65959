"""The notebook runs, and its saved outputs show the full data set."""

import nbformat
import pytest
from nbclient import NotebookClient

from tests.conftest import ROOT

NOTEBOOK = ROOT / "training" / "data" / "explore.ipynb"


def test_the_notebook_runs_on_the_sample_headlines(monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN the notebook without its outputs
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for cell in notebook.cells:
        cell.pop("outputs", None)
    monkeypatch.delenv("DATA", raising=False)
    # WHEN it is run from its own folder, on the sample that it reads by default
    client = NotebookClient(notebook, resources={"metadata": {"path": NOTEBOOK.parent}})
    client.execute()
    # THEN the table of leakage has a row for each split
    shown = str([cell.get("outputs") for cell in notebook.cells])
    assert all(f"| {how} |" in shown for how in ("random", "story", "time"))


def test_the_saved_outputs_are_of_one_run_on_the_full_set() -> None:
    # GIVEN the notebook as it is saved
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    # THEN its cells ran once from top to bottom, without a warning, on every row
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert {output.output_type for output in outputs} == {"display_data", "execute_result"}
    assert "422,937" in str(outputs)
    assert "/home" not in str(outputs)
