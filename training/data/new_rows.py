"""Join labelled rows that came after the data set to it, for the next training.

A file with an invalid row is set aside as a whole, with the reason, and the other files are joined:
one bad delivery must neither keep a model from learning the rest nor be learnt by halves. Only if
bad rows may be skipped are the other rows of the file joined.
"""

import hashlib
from dataclasses import replace
from pathlib import Path

from inference.tables.options import ReadOptions
from training.data.examples import DataError, Dataset, NewFile
from training.data.read import BY_CONTENT, read
from training.data.split import is_held_out
from training.data.text_key import TextKey
from training.tasks import Task


def join(
    dataset: Dataset,
    folder: Path,
    seed: int,
    key: TextKey = TextKey.CURRENT,
    options: ReadOptions = BY_CONTENT,
    *,
    skip_bad_rows: bool = False,
) -> Dataset:
    """Append the rows of all files in a folder to a data set.

    Rows that the seed holds out stay held out, because a story is on the same side of the split
    whatever is joined. A new training row is left out if the data set holds out its text, and adds
    nothing if the data set already has it.

    The digest covers the data set and each file that was joined; ``new_files`` says what became of
    each file.

    Args:
        dataset: what to append to.
        folder: the files, in folders of any depth.
        seed: decides which rows are held out.
        key: by which equal texts are found.
        options: what the user says about the dialect of the data set and of these files.
        skip_bad_rows: leave out bad rows, rather than the files that have them.

    Raises:
        DataError: the folder does not exist.
    """
    if not folder.is_dir():
        raise DataError(f"no such folder: {folder}")
    held_out = {key.of(e.text) for e in dataset.examples if is_held_out(e, seed, key)}
    examples, digest, files = list(dataset.examples), dataset.sha256, []
    # S3 marks a folder with an object of zero bytes, which arrives here as an empty file.
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.stat().st_size):
        name = path.relative_to(folder).as_posix()
        try:
            new = _read(path, name, dataset.task, options, skip_bad_rows=skip_bad_rows)
        except DataError as error:
            files.append(NewFile(name, problem=str(error)))
            continue
        rows = [
            replace(e, new=True)
            for e in new.examples
            if is_held_out(e, seed, key) or key.of(e.text) not in held_out
        ]
        examples += rows
        digest = hashlib.sha256(f"{digest}{new.sha256}".encode()).hexdigest()
        held = len(new.examples) - len(rows)
        files.append(NewFile(name, rows=len(rows), held_out=held, rejects=new.rejects))
    return replace(dataset, examples=examples, sha256=digest, new_files=tuple(files))


def _read(
    path: Path, name: str, task: Task, options: ReadOptions, *, skip_bad_rows: bool
) -> Dataset:
    try:
        return read(str(path), task, options, skip_bad_rows=skip_bad_rows)
    except DataError as error:  # whoever dropped the file knows it by its name in S3
        raise DataError(str(error).replace(str(path), name)) from None
