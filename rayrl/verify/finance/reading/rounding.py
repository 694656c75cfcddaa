"""Is one amount the other, rounded or in another unit?"""

from fractions import Fraction

from rayrl.verify.finance.reading.amounts import Amount


def _rounds_to(first: tuple[Fraction, Fraction], second: tuple[Fraction, Fraction]) -> bool:
    """Whether two (number, last digit's worth) differ by rounding and by a factor of 100 or of thousands only."""
    for (small, small_step), (large, large_step) in ((first, second), (second, first)):
        for power in (1, 100, 10**3, 10**6, 10**9):
            if 2 * abs(abs(small) * power - abs(large)) <= max(small_step * power, large_step):
                return True
    return False


def same_thing(first: Amount, second: Amount) -> bool:
    """Whether one amount is the other in another unit, or rounded."""
    return _rounds_to((first.written, first.step), (second.written, second.step)) or _rounds_to(
        (first.value, abs(first.step * first.factor)), (second.value, abs(second.step * second.factor))
    )
