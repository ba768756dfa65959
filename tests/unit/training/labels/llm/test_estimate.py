from pathlib import Path

from training.labels.llm.bedrock import Reply
from training.labels.llm.estimate import OUTPUT_TOKENS, Estimate, estimate
from training.labels.llm.journal import Journal
from training.labels.llm.label_set import Label
from training.labels.llm.prompt import Prompt
from training.labels.llm.spending import Spending, Usage

PRICES = Spending(usd_per_million_input=1, usd_per_million_output=5)
PROMPT = Prompt([Label("a"), Label("b")])


def test_only_what_is_to_be_asked_is_counted(tmp_path: Path) -> None:
    # GIVEN four texts, of which two are equal and one is settled
    with Journal.open(tmp_path / "journal", {}) as journal:
        journal.add("one", Reply("a", None, Usage(1, 400, 40)))
        # WHEN their cost is estimated
        estimated = estimate(["one", "two", "two", "three"], PROMPT, journal)
    # THEN it is that of the two others
    assert (estimated.texts, estimated.settled) == (2, 1)
    assert estimated.usage.output_tokens == 2 * OUTPUT_TOKENS
    assert estimated.spent == Usage(1, 400, 40)


def test_longer_texts_and_prompts_cost_more(tmp_path: Path) -> None:
    longer = Prompt([Label("a", "what this label means"), Label("b")])
    with Journal.open(tmp_path / "journal", {}) as journal:
        short = estimate(["a"], PROMPT, journal).usage.input_tokens
        assert estimate(["a" * 100], PROMPT, journal).usage.input_tokens > short
        assert estimate(["a"], longer, journal).usage.input_tokens > short


def test_it_says_how_far_the_budget_goes() -> None:
    estimated = Estimate(1000, 0, Usage(1000, 500_000, 100_000), Usage(1, 500_000, 0))
    assert estimated.describe(PRICES.model_copy(update={"budget_usd": 1})) == (
        "1,000 different texts to ask about: about 500,000 input and 100,000 output tokens, $1.00\n"
        "the budget is $1.00, of which $0.5000 is spent; it covers about 500 of these texts"
    )
    assert "covers" not in estimated.describe(PRICES.model_copy(update={"budget_usd": 2}))
    assert "$" not in estimated.describe(Spending())


def test_nothing_to_ask_is_nothing_to_pay() -> None:
    assert "nothing to pay" in Estimate(0, 9, Usage(), Usage()).describe(Spending())
