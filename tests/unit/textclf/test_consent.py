import io
import sys

import pytest

from textclf.consent import ConsentError, require_consent


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_option_agrees_without_asking() -> None:
    require_consent(yes=True)


@pytest.mark.parametrize("answer", ["y", "Y", "yes"])
def test_a_user_may_agree(answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(f"{answer}\n"))
    require_consent(yes=False)


@pytest.mark.parametrize("answer", ["", "n\n", "\n", "maybe\n"])
def test_anything_else_is_a_no(answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    with pytest.raises(ConsentError, match="nothing was asked or paid"):
        require_consent(yes=False)


def test_without_a_terminal_the_option_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    with pytest.raises(ConsentError, match="add --yes"):
        require_consent(yes=False)
