from benchmarks.speed.start_steps import plan_imports


def test_each_library_that_the_handler_imports_has_a_step() -> None:
    # GIVEN the modules that a handler has imported
    modules = ["sys", "numpy", "numpy.linalg", "tokenizers", "inference.api.handler"]
    modules += ["inference", "inference.model.bundle"]
    # WHEN the steps are planned
    plan = plan_imports(modules)
    # THEN libraries come first, and the handler, which loads the model, is left out
    assert plan == [
        ("import numpy", ["numpy", "numpy.linalg"]),
        ("import tokenizers", ["tokenizers"]),
        ("import inference and the rest", ["inference", "inference.model.bundle"]),
    ]
