"""The unit tests mirror the source tree: each module has a test file of its own."""

import ast
import re
from pathlib import Path

import pytest

from tests.conftest import ROOT

UNIT = Path("tests/unit")
# Modules that a unit test could reach only through stand-ins for what they talk to: a network, a
# process, a trained model. The tests named here use the real thing.
TESTED_WITH_REAL_SERVICES = {
    "checks/deployment.py": "integration/test_checks.py",
    "inference/api/handler.py": "integration/test_handler.py",
    "inference/api/snapshot.py": "integration/test_snapshot.py",
    "inference/api/server.py": "integration/test_sagemaker_container.py",
    "inference/drift/measure.py": "integration/test_drift.py",
    "inference/local/connection.py": "integration/test_front_door.py",
    "inference/local/front_door.py": "integration/test_front_door.py",
    "inference/local/sam.py": "e2e/test_docker.py",
    "inference/local/samples.py": "e2e/test_local.py",
    "inference/local/system.py": "e2e/test_local.py",
    "inference/model/listing.py": "integration/test_publish.py",
    "inference/model/publish.py": "integration/test_publish.py",
    "inference/model/store.py": "integration/test_store.py",
    "inference/prediction_log/writer.py": "integration/test_prediction_log.py",
    "inference/prediction_log/sample.py": "integration/test_drift.py",
    "inference/tables/s3_object.py": "integration/test_data_s3.py",
    "inference/runtime/tracing.py": "integration/test_tracing.py",
    "operations/regions.py": "integration/test_regions.py",
    "textclf/drift.py": "integration/test_drift.py",
    "textclf/labels_write.py": "integration/test_labels_write.py",
    "textclf/labels_export.py": "integration/test_labels_export.py",
    "textclf/local.py": "e2e/test_local.py",
    "textclf/regions.py": "integration/test_regions.py",
    "textclf/publish.py": "integration/test_publish.py",
    "training/evaluate/evaluation.py": "integration/test_evaluate.py",
    "training/evaluate/multi_label/evaluation.py": "integration/test_multi_label.py",
    "training/evaluate/multi_label/head_to_head.py": "integration/test_multi_label.py",
    "training/evaluate/fp32.py": "integration/test_evaluate.py",
    "training/labels/llm/bedrock.py": "integration/test_labels_write.py",
    "training/labels/llm/labeller.py": "integration/test_labels_write.py",
    "training/labels/llm/write.py": "integration/test_labels_write.py",
    "training/labels/logged_texts.py": "integration/test_labels_next.py",
    "training/recipes/search.py": "integration/test_search.py",
}
# Test files that mirror no single module.
WITHOUT_MODULE = {
    "operations/test_github_oidc.py",
    "test_distributed_map.py",
    "test_imports.py",
    "test_layout.py",
    "test_outside.py",
    "test_template.py",
    "test_template_watch.py",
    "test_workflows.py",
}


def has_logic(file: Path) -> bool:
    """Tell whether a module defines a function or a method."""
    return any(isinstance(node, ast.FunctionDef) for node in ast.walk(ast.parse(file.read_text())))


MODULES = [
    file.relative_to(ROOT)
    for package in ("authorizer", "checks", "inference", "operations", "textclf", "training")
    for file in sorted((ROOT / package).rglob("*.py"))
    if has_logic(file)
]
# Those of the benchmarks that do arithmetic have tests; the others run in test_bench.py.
BENCHMARKS = [file.relative_to(ROOT) for file in (ROOT / "benchmarks").rglob("*.py")]


def mirror(module: Path) -> Path:
    """Return where the test file of a module belongs."""
    return UNIT / module.with_name(f"test_{module.name}")


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_every_module_has_its_test_file(module: Path) -> None:
    if elsewhere := TESTED_WITH_REAL_SERVICES.get(str(module)):
        assert (ROOT / "tests" / elsewhere).exists()
        assert not (ROOT / mirror(module)).exists(), "take it out of the list above"
    else:
        assert (ROOT / mirror(module)).exists()


def test_every_test_file_is_that_of_a_module() -> None:
    files = {file.relative_to(ROOT) for file in (ROOT / UNIT).rglob("test_*.py")}
    without_module = {UNIT / name for name in WITHOUT_MODULE}
    assert files - without_module <= {mirror(module) for module in [*MODULES, *BENCHMARKS]}


def test_the_exceptions_are_modules() -> None:
    assert set(TESTED_WITH_REAL_SERVICES) <= {str(module) for module in MODULES}


def test_no_test_file_needs_another_one() -> None:
    # What several of them need is in a conftest.py or a module of its own.
    files = [ROOT / "tests" / name for name in ("unit", "integration", "e2e")]
    imported = [
        (str(file.relative_to(ROOT)), node.module)
        for folder in files
        for file in folder.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module
    ]
    assert [one for one in imported if re.search(r"^tests\..*\btest_", one[1])] == []
