import threading
import time

import pytest
from pydantic import ValidationError

from training.labels.llm.spending import Budget, Spending, Usage, format_dollars

PRICES = Spending(usd_per_million_input=1, usd_per_million_output=5)
CALL = Usage(1, 400_000, 20_000)  # costs 50 cents


def test_tokens_cost_what_the_prices_say() -> None:
    assert PRICES.cost(CALL) == pytest.approx(0.5)
    assert PRICES.describe(CALL) == ("400,000 input and 20,000 output tokens, $0.5000")


def test_without_prices_there_are_no_dollars() -> None:
    assert Spending().cost(CALL) is None
    assert Spending().describe(CALL) == "400,000 input and 20,000 output tokens"


def test_a_budget_needs_prices() -> None:
    with pytest.raises(ValidationError, match="needs the model's prices"):
        Spending(budget_usd=1)


def test_one_price_is_not_enough() -> None:
    with pytest.raises(ValidationError, match="give both"):
        Spending(usd_per_million_input=1)


@pytest.mark.parametrize(
    ("dollars", "text"), [(0, "$0.00"), (0.0123, "$0.0123"), (1234.5, "$1,234.50")]
)
def test_small_amounts_have_more_digits(dollars: float, text: str) -> None:
    assert format_dollars(dollars) == text


def test_calls_add_up() -> None:
    assert Usage(1, 2, 3) + Usage(4, 5, 6) == Usage(5, 7, 9)
    assert Usage(5, 7, 9) - Usage(4, 5, 6) == Usage(1, 2, 3)


def test_no_call_begins_that_the_budget_does_not_cover() -> None:
    # GIVEN a budget for three calls, one of which earlier runs have spent
    budget = Budget(PRICES.model_copy(update={"budget_usd": 1.6}), spent=CALL)
    # WHEN calls are made one after the other THEN two more are, and no third
    for _ in range(2):
        assert budget.reserve(CALL)
        budget.settle(CALL, CALL)
    assert not budget.reserve(CALL)


def test_a_call_that_is_cheaper_than_it_might_have_been_leaves_more() -> None:
    budget = Budget(PRICES.model_copy(update={"budget_usd": 0.6}), spent=Usage())
    assert budget.reserve(CALL)
    budget.settle(CALL, Usage(1, 10, 1))
    assert budget.reserve(CALL)


def test_a_call_waits_for_those_under_way_before_it_gives_up() -> None:
    # GIVEN a budget that a call under way may use up
    budget = Budget(PRICES.model_copy(update={"budget_usd": 0.6}), spent=Usage())
    assert budget.reserve(CALL)
    answers: list[bool] = []
    waiting = threading.Thread(target=lambda: answers.append(budget.reserve(CALL)))
    waiting.start()
    time.sleep(0.05)
    assert answers == []
    # WHEN that call turns out to be cheap THEN the next may begin
    budget.settle(CALL, Usage(1, 10, 1))
    waiting.join(timeout=5)
    assert answers == [True]


def test_without_a_budget_every_call_may_begin() -> None:
    assert all(Budget(Spending(), Usage()).reserve(CALL) for _ in range(100))
