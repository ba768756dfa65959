from benchmarks.speed.modes import list_modes


def test_everything_is_measured_on_one_core_and_on_all() -> None:
    assert [mode.name for mode in list_modes({0, 1}, amx=False)] == ["one core", "2 cores"]


def test_a_cpu_with_amx_is_measured_without_it_too() -> None:
    assert [mode.name for mode in list_modes({4, 2, 3}, amx=True)] == [
        *("one core", "3 cores"),
        *("one core, AMX denied", "3 cores, AMX denied"),
    ]


def test_a_single_core_is_measured_once() -> None:
    (mode,) = list_modes({5}, amx=False)
    assert mode.cores == (5,)
