"""The source archive, which becomes the container's code folder."""

import io
import tarfile

import pytest

from training.sagemaker import source


@pytest.fixture(scope="module")
def archive() -> dict[str, str]:
    """The text of each file in the archive."""
    with tarfile.open(fileobj=io.BytesIO(source.build_source_archive())) as tar:
        return {
            entry.name: file.read().decode()
            for entry in tar.getmembers()
            if (file := tar.extractfile(entry))
        }


def test_the_archive_holds_both_packages_and_the_program_at_its_top(
    archive: dict[str, str],
) -> None:
    assert archive["entry.py"] == archive["training/sagemaker/entry.py"]
    for folder in source.FOLDERS:
        modules = {path.relative_to(source.ROOT) for path in (source.ROOT / folder).rglob("*.py")}
        assert {module.as_posix() for module in modules} <= archive.keys()


def test_the_archive_holds_no_data_notebooks_or_tests(archive: dict[str, str]) -> None:
    others = {name for name in archive if not name.endswith(".py")}
    assert others == {"requirements.txt", "constraints.txt"}
    assert not any(name.startswith(("tests/", "data/")) for name in archive)


def test_the_archive_does_not_tell_who_packed_it() -> None:
    with tarfile.open(fileobj=io.BytesIO(source.build_source_archive())) as tar:
        assert {(entry.uid, entry.uname) for entry in tar.getmembers()} == {(0, "")}


def test_all_requirements_are_pinned_and_include_those_of_serving(archive: dict[str, str]) -> None:
    lines = archive["requirements.txt"].splitlines()
    assert lines[0] == "-c constraints.txt"
    assert all("==" in line for line in lines[1:])
    names = {line.partition("==")[0] for line in lines[1:]}
    assert {"transformers", "onnxruntime", "pydantic"} <= names


@pytest.mark.parametrize("package", source.NOT_INSTALLED)
def test_the_images_own_torch_stays_and_the_command_line_is_not_installed(
    package: str, archive: dict[str, str]
) -> None:
    for name in ("requirements.txt", "constraints.txt"):
        assert not any(line.startswith(f"{package}==") for line in archive[name].splitlines())
