import signal

import pytest

from training.fit.interrupts import stop_requests


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_asks_the_run_to_stop(number: signal.Signals) -> None:
    # GIVEN a run
    with stop_requests() as stop_requested:
        assert not stop_requested()
        # WHEN a signal comes THEN the run goes on, and knows that it should stop
        signal.raise_signal(number)
        assert stop_requested()


def test_after_the_run_signals_do_what_they_did_before() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stop_requests():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before
