import gc

from rayrl.imports import uncollected


def test_nothing_is_collected_within_and_what_came_is_not_walked_afterwards() -> None:
    before = gc.get_freeze_count()
    try:
        with uncollected():
            within = gc.isenabled()
        assert (within, gc.isenabled()) == (False, True)
        assert gc.get_freeze_count() > before
    finally:
        gc.unfreeze()
