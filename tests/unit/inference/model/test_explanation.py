import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from inference.local.checkout import SAMPLE_MODEL
from inference.model.bundle import ClassifierSpec, read_verified
from inference.model.classifier import Classifier
from inference.model.explanation import (
    MAX_CHARACTERS,
    MAX_TOKENS,
    ExplanationError,
    Occlusion,
    find_hiding_token,
    find_words,
)
from inference.model.labelling import Labelling

MASK = 9
MARS = "Life in Mars might be a real possibility"
LABELS = ("Business", "Science", "Entertainment", "Health")


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier.load(read_verified(SAMPLE_MODEL))


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(SAMPLE_MODEL / "tokenizer.json"))


def explain(classifier: Classifier, text: str) -> dict[str, float | None]:
    (explanation,) = classifier.explain([text], classifier.predict([text]))
    return dict(explanation)


# ---- Words ----


@pytest.mark.parametrize(
    "text",
    [
        MARS,
        "  don't\tstop:\n state-of-the-art (AI)  vaccine \u3000",
        "生物学家发现火星上有生命",
        "AI生物 mars\uff0c太空。",
        "宇宙まで 한국어 문장 สวัสดีชาวโลก ভাষা עברית",
        "🎉🎉🔥 👩‍👩‍👧‍👦 e\u0301",
        "\x00 Mars\x00 \x1c \u200b",
        "[MASK] [SEP] ##s <br />",
    ],
)
def test_the_words_are_all_of_the_text_but_its_white_space(tokenizer: Tokenizer, text: str) -> None:
    words = find_words(text, tokenizer.encode(text).offsets)
    assert "".join(word.text for word in words) == "".join(text.split())


def test_words_are_separated_by_white_space_alone(tokenizer: Tokenizer) -> None:
    # GIVEN words of several wordpieces, and wordpieces that are punctuation
    text = "don't stop: state-of-the-art\tvaccine"
    encoding = tokenizer.encode(text)
    # WHEN the words are found THEN they are what stands between white space
    words = find_words(text, encoding.offsets)
    assert [word.text for word in words] == text.split()
    # AND each wordpiece except [CLS] and [SEP] is in one of them, in order
    places = [place for word in words for place in sorted(word.tokens)]
    assert places == list(range(1, len(encoding.ids) - 1))


def test_in_a_script_without_spaces_each_wordpiece_is_a_word(tokenizer: Tokenizer) -> None:
    text = "AI生物mars 火"
    words = [word.text for word in find_words(text, tokenizer.encode(text).offsets)]
    assert words == ["AI", "生", "物", "mars", "火"]


def test_wordpieces_of_several_letters_make_words_of_chinese() -> None:
    # GIVEN a tokenizer that knows words of Chinese, and marks the beginning of a text
    pieces = ["<unk>", "▁", "人工", "智能", "很", "▁AI"]
    tokenizer = Tokenizer(models.Unigram([(piece, -1.0) for piece in pieces], unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    text = "AI 人工智能很"
    # WHEN words are found THEN they are its words
    words = find_words(text, tokenizer.encode(text).offsets)
    assert [word.text for word in words] == ["AI", "人工", "智能", "很"]
    assert all(word.tokens for word in words)


def test_a_wordpiece_may_begin_with_the_space_before_its_word() -> None:
    words = find_words("a bc", [(0, 1), (1, 4)])
    assert [(word.text, set(word.tokens)) for word in words] == [("a", {0}), ("bc", {1})]


def test_what_was_not_read_is_apart_from_what_was(tokenizer: Tokenizer) -> None:
    # GIVEN a text without spaces, of which the model reads three letters
    text = "生物学家发现"
    tokenizer_of_few = Tokenizer.from_str(tokenizer.to_str())
    tokenizer_of_few.enable_truncation(5)
    words = find_words(text, tokenizer_of_few.encode(text).offsets)
    # THEN the others are one word, without a wordpiece
    assert [word.text for word in words] == ["生", "物", "学", "家发现"]
    assert [bool(word.tokens) for word in words] == [True, True, True, False]


def test_a_mark_that_the_tokenizer_drops_stays_on_its_letter(tokenizer: Tokenizer) -> None:
    text = "สวัสดี"  # its last vowel is a mark, and stripped
    assert [word.text for word in find_words(text, tokenizer.encode(text).offsets)] == [text]


@pytest.mark.parametrize("text", ["", " \n", "\x1c"])
def test_a_text_without_words_has_none(tokenizer: Tokenizer, text: str) -> None:
    assert find_words(text, tokenizer.encode(text).offsets) == []


# ---- What is hidden ----


def test_each_word_is_hidden_once_and_shown_once_alone() -> None:
    # GIVEN two words, the second of two wordpieces WHEN it is planned what to hide
    window = ([1, 5, 6, 7, 2], [(0, 0), (0, 2), (3, 4), (4, 6), (0, 0)])
    plan = Occlusion.plan("ab cde", [window], MASK)
    # THEN every variant has the length of the text
    assert plan.variants == [
        [[1, MASK, 6, 7, 2]],
        [[1, 5, MASK, MASK, 2]],
        [[1, 5, MASK, MASK, 2]],
        [[1, MASK, 6, 7, 2]],
        [[1, MASK, MASK, MASK, 2]],
    ]


def test_a_contribution_is_the_mean_of_a_loss_and_a_gain() -> None:
    plan = Occlusion.plan("a b", [([5, 6], [(0, 1), (2, 3)])], MASK)
    # GIVEN the probabilities without a, without b, of a alone, of b alone, and of no word
    explanation = plan.explain(0.9, [0.5, 0.8, 0.7, 0.1, 0.3])
    # THEN a loses 0.4 and gains 0.4, and b loses 0.1 and gains -0.2
    assert [word for word, _ in explanation] == ["a", "b"]
    assert [one for _, one in explanation] == pytest.approx([0.4, -0.05])


def test_a_word_that_was_not_read_has_no_contribution() -> None:
    plan = Occlusion.plan("a b", [([5], [(0, 1)])], MASK)
    read, unread = plan.explain(0.9, [0.5, 0.9, 0.5])
    assert read[1] == pytest.approx(0.4)
    assert unread == ("b", None)


def test_a_text_that_the_model_does_not_read_needs_no_run() -> None:
    plan = Occlusion.plan("\x00", [([1, 2], [(0, 0), (0, 0)])], MASK)
    assert plan.variants == []
    assert plan.explain(0.9, []) == (("\x00", None),)


def test_the_words_of_a_long_text_are_hidden_in_groups() -> None:
    # GIVEN a text of 500 wordpieces, each of which is a word
    text = "a " * 500
    offsets = [(2 * place, 2 * place + 1) for place in range(500)]
    plan = Occlusion.plan(text, [([5] * 500, offsets)], MASK)
    # THEN its variants have no more wordpieces in all than the limit
    assert sum(len(ids) for (ids,) in plan.variants) <= MAX_TOKENS
    # AND every word is in one group, next to its neighbours
    assert [word for group in plan.groups for word in group] == list(range(500))
    sizes = {len(group) for group in plan.groups}
    assert max(sizes) - min(sizes) <= 1
    # AND the words of a group share its contribution
    count = len(plan.groups)
    explanation = plan.explain(0.8, [0.6, *[0.8] * (count - 1), *[0.1] * (count + 1)])
    first = len(plan.groups[0])
    assert [one for _, one in explanation[:first]] == pytest.approx([0.1 / first] * first)
    assert {one for _, one in explanation[first:]} == {0.0}


def test_a_text_of_so_many_wordpieces_that_only_one_group_fits_has_one() -> None:
    text, size = "a " * 5000, MAX_TOKENS // 3
    offsets = [(2 * (place % 5000), 2 * (place % 5000) + 1) for place in range(size)]
    assert len(Occlusion.plan(text, [([5] * size, offsets)], MASK).groups) == 1


def test_a_word_in_two_windows_is_hidden_in_both() -> None:
    # GIVEN two windows that share a word, the later one first, as if the beginning was cut
    windows = [([1, 6, 7, 2], [(0, 0), (2, 3), (4, 5), (0, 0)])]
    windows += [([1, 5, 6, 2], [(0, 0), (0, 1), (2, 3), (0, 0)])]
    plan = Occlusion.plan("a b c", windows, MASK)
    # THEN it is hidden in both, and other words where they are
    assert [word.text for word in plan.words] == ["a", "b", "c"]
    first, both, last = plan.variants[:3]
    assert first == [[1, 6, 7, 2], [1, MASK, 6, 2]]
    assert both == [[1, MASK, 7, 2], [1, 5, MASK, 2]]
    assert last == [[1, 6, MASK, 2], [1, 5, 6, 2]]
    assert plan.variants[-1] == [[1, MASK, MASK, 2], [1, MASK, MASK, 2]]


def test_the_windows_of_all_variants_have_no_more_wordpieces_than_the_limit() -> None:
    # GIVEN a text of thirty windows of a hundred wordpieces, a quarter of which overlap
    windows = [
        ([5] * 100, [(2 * place, 2 * place + 1) for place in range(75 * number, 75 * number + 100)])
        for number in range(30)
    ]
    plan = Occlusion.plan("a " * (75 * 29 + 100), windows, MASK)
    # THEN the windows that differ have no more in all, and words are hidden in groups
    different = {tuple(ids) for variant in plan.variants for ids in variant}
    assert 1 < len(plan.groups) < 100
    assert sum(map(len, different)) <= MAX_TOKENS


def test_a_text_that_is_too_long_is_refused() -> None:
    Occlusion.plan("a" * MAX_CHARACTERS, [([5], [(0, MAX_CHARACTERS)])], MASK)
    with pytest.raises(ExplanationError, match="at most 10,000"):
        Occlusion.plan("a" * (MAX_CHARACTERS + 1), [([5], [(0, 1)])], MASK)


@pytest.mark.parametrize(
    ("vocabulary", "token_id"),
    [
        ({"[PAD]": 0, "[UNK]": 1, "[MASK]": 4}, 4),
        ({"<pad>": 1, "<unk>": 3, "<mask>": 7}, 7),
        ({"<pad>": 1, "<unk>": 3}, 3),
        ({"[PAD]": 2, "word": 3}, 2),
        ({"<|endoftext|>": 0, "word": 1}, 0),
    ],
)
def test_the_best_token_that_hides_a_word_is_used(
    vocabulary: dict[str, int], token_id: int
) -> None:
    assert find_hiding_token(Tokenizer(models.WordLevel(vocabulary, "word"))) == token_id


def test_a_mask_that_was_never_learned_hides_no_word() -> None:
    # GIVEN the vocabulary of an MPNet, whose mask is a special token
    tokenizer = Tokenizer(models.WordLevel({"[MASK]": 0, "word": 1}, "word"))
    tokenizer.add_special_tokens(["<mask>"])
    # WHEN the token that hides a word is looked for THEN it is that one
    assert find_hiding_token(tokenizer) == tokenizer.token_to_id("<mask>")


# ---- With the shipped model ----


def test_the_word_that_decides_contributes_most(classifier: Classifier) -> None:
    contributions = explain(classifier, MARS)
    assert list(contributions) == MARS.split()
    mars = contributions.pop("Mars")
    assert mars is not None
    assert mars > 0.5
    assert all(abs(other or 0) < 0.1 for other in contributions.values())


def test_a_contribution_is_that_of_the_words_place(classifier: Classifier) -> None:
    # GIVEN a text and its label WHEN a word of it is replaced by the token that hides it
    text = "Fed holds rates"
    (prediction,) = classifier.predict([text])
    texts = ["[MASK] holds rates", "Fed [MASK] [MASK]", "[MASK] [MASK] [MASK]"]
    without, alone, none = (
        one.probabilities[prediction.label] for one in classifier.predict(texts)
    )
    # THEN its contribution follows from what the model answers
    (explanation,) = classifier.explain([text], [prediction])
    loss, gain = prediction.confidence - without, alone - none
    word, contribution = explanation[0]
    assert word == "Fed"
    assert contribution == pytest.approx((loss + gain) / 2, abs=1e-6)


def test_an_explanation_does_not_depend_on_the_other_texts(classifier: Classifier) -> None:
    texts = [MARS, "生物", "\x00", "Fed holds rates as inflation cools", "word " * 100]
    together = classifier.explain(texts, classifier.predict(texts))
    for text, explanation in zip(texts, together, strict=True):
        (alone,) = classifier.explain([text], classifier.predict([text]))
        assert [word for word, _ in explanation] == [word for word, _ in alone]
        for (_, one), (_, other) in zip(explanation, alone, strict=True):
            assert one == (None if other is None else pytest.approx(other, abs=1e-6))


def test_words_beyond_what_the_model_reads_have_no_contribution() -> None:
    # GIVEN a model that reads two wordpieces besides [CLS] and [SEP]
    spec = ClassifierSpec(labels=LABELS, max_length=4, temperature=1.0)
    contributions = explain(Classifier(SAMPLE_MODEL, spec, ""), "Mars vaccine festival bank")
    assert [one is None for one in contributions.values()] == [False, False, True, True]


def test_of_several_labels_the_first_is_explained() -> None:
    # GIVEN a model that gives a text several labels
    labelling = Labelling(
        separator=";",
        temperatures=dict.fromkeys(LABELS, 1.0),
        thresholds={**dict.fromkeys(LABELS, 0.0), "Science": 1.0},
    )
    spec = ClassifierSpec(labels=LABELS, max_length=64, temperature=1.0, labelling=labelling)
    classifier = Classifier(SAMPLE_MODEL, spec, "")
    # WHEN a text is explained that does not get its most probable label
    (prediction,) = classifier.predict(["Mars"])
    assert prediction.label != "Science"
    # THEN the contribution is that to its first one
    texts = ["[MASK]", "Mars"]
    none, alone = (one.probabilities[prediction.label] for one in classifier.predict(texts))
    ((word, contribution),) = classifier.explain(["Mars"], [prediction])[0]
    assert word == "Mars"
    assert contribution == pytest.approx(alone - none, abs=1e-6)
