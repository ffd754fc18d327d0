"""What a diagnosis says of the loop it watched."""

import pytest

from sightline.diagnose.findings import MOST_NAMED, seen
from sightline.diagnose.record import Record


@pytest.mark.parametrize(
    ("count", "words"), [(0, "Watched no network ("), (MOST_NAMED, "N4 ("), (MOST_NAMED + 28, "N4 and 28 more (")]
)
def test_a_few_networks_are_named(count: int, words: str) -> None:
    record = Record()
    record.networks += [f"N{i + 1}" for i in range(count)]
    assert words in seen(record)
