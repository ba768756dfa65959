"""Estimate what labels cost before anything is asked."""

from collections.abc import Sequence
from dataclasses import dataclass

from training.labels.llm.journal import Journal
from training.labels.llm.prompt import Prompt
from training.labels.llm.spending import Spending, Usage, format_dollars

# For texts that a model has not read yet. Tokens of English have about 4 bytes, of other languages
# and of JSON fewer. For the instructions that models add for tools see ADDED_TOKENS.
BYTES_PER_TOKEN = 3.5
TOOL_TOKENS = 350
OUTPUT_TOKENS = 60


@dataclass(frozen=True)
class Estimate:
    """What is to be asked, and about how many tokens that takes."""

    texts: int  # different ones, without those that are settled
    settled: int
    usage: Usage
    spent: Usage  # by earlier runs

    def describe(self, spending: Spending) -> str:
        """Return the estimate, and how far the budget goes."""
        if not self.texts:
            return "all texts are settled: there is nothing to pay"
        settled = f" ({self.settled:,} more are settled)" if self.settled else ""
        text = (
            f"{self.texts:,} different texts to ask about{settled}: about "
            f"{spending.describe(self.usage)}"
        )
        if spending.budget_usd is None:
            return text
        return f"{text}\n{self._describe_budget(spending, spending.budget_usd)}"

    def _describe_budget(self, spending: Spending, budget: float) -> str:
        spent, cost = spending.cost(self.spent) or 0.0, spending.cost(self.usage) or 0.0
        left = max(budget - spent, 0.0)
        text = f"the budget is {format_dollars(budget)}"
        if spent:
            text += f", of which {format_dollars(spent)} is spent"
        if cost > left:
            return f"{text}; it covers about {int(self.texts * left / cost):,} of these texts"
        return text


def estimate(texts: Sequence[str], prompt: Prompt, journal: Journal) -> Estimate:
    """Estimate the tokens of those texts that are not settled."""
    different = list(dict.fromkeys(texts))
    left = [text for text in different if not journal.is_settled(text)]
    read = sum(prompt.count_bytes(text) / BYTES_PER_TOKEN + TOOL_TOKENS for text in left)
    usage = Usage(len(left), round(read), OUTPUT_TOKENS * len(left))
    return Estimate(len(left), len(different) - len(left), usage, journal.usage)
