"""What an LLM costs: tokens, dollars, and a budget that is never exceeded.

Prices come from the user. AWS's Price List API lacks the prices of many models on Bedrock
(https://github.com/boto/boto3/issues/4595, https://github.com/aws/aws-cli/issues/9567), and a table
in this code would be wrong within months.
"""

import threading
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

MILLION = 1_000_000

Dollars = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True, slots=True)
class Usage:
    """The calls of a model, and the tokens that were billed for them."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.calls + other.calls,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
        )

    def __sub__(self, other: "Usage") -> "Usage":
        return Usage(
            self.calls - other.calls,
            self.input_tokens - other.input_tokens,
            self.output_tokens - other.output_tokens,
        )


NOTHING = Usage()


class Spending(BaseModel):
    """What a user pays for tokens, and the most they may cost; each field is an option."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    usd_per_million_input: Annotated[
        Dollars | None, Field(description="Price of a million input tokens, in US dollars.")
    ] = None
    usd_per_million_output: Annotated[
        Dollars | None, Field(description="Price of a million output tokens, in US dollars.")
    ] = None
    budget_usd: Annotated[
        float | None,
        Field(gt=0, allow_inf_nan=False, description="Stop before more dollars are spent."),
    ] = None
    parallel: Annotated[
        int, Field(ge=1, le=64, description="How many calls to have under way at once.")
    ] = 4

    @model_validator(mode="after")
    def _require_prices(self) -> Self:
        prices = (self.usd_per_million_input, self.usd_per_million_output)
        if prices.count(None) == 1:
            raise ValueError("give both --usd-per-million-input and --usd-per-million-output")
        if self.budget_usd is not None and None in prices:
            raise ValueError(
                "--budget-usd needs the model's prices, from aws.amazon.com/bedrock/pricing: give "
                "--usd-per-million-input and --usd-per-million-output"
            )
        return self

    def cost(self, usage: Usage) -> float | None:
        """Return the dollars that tokens cost; None if the prices are unknown."""
        if self.usd_per_million_input is None or self.usd_per_million_output is None:
            return None
        return (
            usage.input_tokens * self.usd_per_million_input
            + usage.output_tokens * self.usd_per_million_output
        ) / MILLION

    def describe(self, usage: Usage) -> str:
        """Return tokens, and dollars if the prices are known, in words."""
        tokens = f"{usage.input_tokens:,} input and {usage.output_tokens:,} output tokens"
        cost = self.cost(usage)
        return tokens if cost is None else f"{tokens}, {format_dollars(cost)}"


def format_dollars(dollars: float) -> str:
    """Return dollars to the cent, or with four digits if they are fewer."""
    return f"${dollars:,.2f}" if dollars >= 1 or dollars == 0 else f"${dollars:.4f}"


class Budget:
    """Lets a call begin only if the budget covers the most that it can cost.

    Several threads share it, so what calls under way may cost is set aside until it is known.
    """

    def __init__(self, spending: Spending, spent: Usage) -> None:
        self._spending, self._limit = spending, spending.budget_usd
        self._spent = spending.cost(spent) or 0.0
        self._set_aside = 0.0
        self._under_way = 0
        self._settled = threading.Condition()

    def reserve(self, most: Usage) -> bool:
        """Set aside what a call can cost at most; False if the budget does not cover it.

        Waits for calls under way whose true cost may leave enough.
        """
        if self._limit is None:
            return True
        cost = self._spending.cost(most) or 0.0
        with self._settled:
            while self._spent + self._set_aside + cost > self._limit:
                if not self._under_way:
                    return False
                self._settled.wait()
            self._set_aside += cost
            self._under_way += 1
            return True

    def settle(self, most: Usage, actual: Usage) -> None:
        """Replace what was set aside for a call by what it has cost."""
        if self._limit is None:
            return
        with self._settled:
            self._under_way -= 1
            self._set_aside -= self._spending.cost(most) or 0.0
            self._spent += self._spending.cost(actual) or 0.0
            self._settled.notify_all()
