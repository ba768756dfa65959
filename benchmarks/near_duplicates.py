"""Find texts that share nearly all of their words, without comparing each text with each.

Two sets of words are at least as similar as asked only if some of their rarest words are the same
(the prefix filter of Chaudhuri et al. 2006, https://doi.org/10.1109/ICDE.2006.9, and Bayardo et al.
2007, https://doi.org/10.1145/1242572.1242591). So only pairs that share one of these are compared.
The result is exact.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack
from sklearn.feature_extraction.text import CountVectorizer
from tqdm import tqdm

Pairs: TypeAlias = Any  # csr_array, which has no type parameters at run time
CHUNK = 2_000  # texts whose candidates are in memory at a time
ROUNDING = 1e-9  # 0.8 * 15 may be more than 12


def find_near_duplicates(
    texts: Sequence[str], rows: NDArray[np.intp], similarity: float = 0.8
) -> Pairs:
    """Find the texts that are similar to each of some rows, as ones, shape (rows, texts).

    Args:
        texts: Words separated by spaces; their order and number do not matter.
        rows: Which of the texts to find the similar ones of. Each that has words is similar to
            itself.
        similarity: Least Jaccard index of the sets of words: shared ones / all of both.
    """
    words = _read_words(texts)
    rarest = _keep_rarest(words, similarity)
    by_word = rarest.T.tocsr()
    chunks = [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
    similar = [
        _compare(words, chunk, rarest[chunk] @ by_word, similarity)
        for chunk in tqdm(chunks, "near duplicates", unit_scale=CHUNK, leave=False)
    ]
    return vstack(similar, format="csr") if similar else csr_array((0, len(texts)), dtype=np.int64)


def _read_words(texts: Sequence[str]) -> Pairs:
    """Return which words each text has, the rarest in the first columns."""
    words = csr_array(CountVectorizer(analyzer=str.split, binary=True).fit_transform(texts))
    frequencies = np.bincount(words.indices, minlength=words.shape[1])
    words = words[:, np.argsort(frequencies, kind="stable")]
    words.sort_indices()
    return words


def _keep_rarest(words: Pairs, similarity: float) -> Pairs:
    """Keep as many words of each text that it shares one of them with every similar text."""
    sizes = np.diff(words.indptr)
    kept = sizes - np.ceil(similarity * sizes - ROUNDING).astype(np.intp) + 1
    places = np.arange(words.nnz) - np.repeat(words.indptr[:-1], sizes)
    chosen = places < np.repeat(kept, sizes)
    starts = np.concatenate([[0], np.cumsum(np.minimum(kept, sizes))])
    return csr_array((words.data[chosen], words.indices[chosen], starts), words.shape)


def _compare(words: Pairs, rows: NDArray[np.intp], candidates: Pairs, similarity: float) -> Pairs:
    """Return which candidates of some rows are similar to them."""
    first, second = candidates.nonzero()
    sizes = np.diff(words.indptr)
    ours, theirs = sizes[rows[first]], sizes[second]
    fits = np.minimum(ours, theirs) >= similarity * np.maximum(ours, theirs) - ROUNDING
    first, second = first[fits], second[fits]
    shared = words[rows[first]].multiply(words[second]).sum(axis=1)
    union = ours[fits] + theirs[fits] - shared
    similar = shared >= similarity * union - ROUNDING
    ones = np.ones(int(similar.sum()), np.int64)
    return csr_array((ones, (first[similar], second[similar])), candidates.shape)
