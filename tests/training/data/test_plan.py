from collections import Counter

import hypothesis
from hypothesis import strategies as st

from inkbloom.training.data.plan import BucketContents, Plan


def buckets_of(sizes: list[tuple[int, int]]) -> list[BucketContents]:
    """Buckets with so many (samples, regularisation pictures), all numbered through."""
    contents, number = [], 0
    for own, regular in sizes:
        contents.append(
            BucketContents(tuple(range(number, number + own)), tuple(range(number + own, number + own + regular)))
        )
        number += own + regular
    return contents


def epoch_of(plan: Plan, epoch: int) -> Counter[int]:
    steps = range(epoch * plan.steps_per_epoch, (epoch + 1) * plan.steps_per_epoch)
    return Counter(example for step in steps for example in plan.step(step).examples)


sizes = st.lists(st.tuples(st.integers(0, 20), st.just(0)), min_size=1, max_size=5).filter(
    lambda sizes: any(own for own, _ in sizes)
)


@hypothesis.given(sizes=sizes, batch_size=st.integers(1, 7), seed=st.integers(0, 99), epoch=st.integers(0, 3))
def test_an_epoch_has_every_sample_and_each_batch_one_bucket(
    sizes: list[tuple[int, int]], batch_size: int, seed: int, epoch: int
) -> None:
    contents = buckets_of(sizes)
    plan = Plan(contents, batch_size, seed)
    assert plan.steps_per_epoch == sum(-(-own // batch_size) for own, _ in sizes)
    for step in range(epoch * plan.steps_per_epoch, (epoch + 1) * plan.steps_per_epoch):
        planned = plan.step(step)
        assert planned.epoch == epoch
        assert len(planned.examples) == batch_size
        assert set(planned.examples) <= set(contents[planned.bucket].samples)
    counts = epoch_of(plan, epoch)
    for bucket in contents:
        own = len(bucket.samples)
        low = -(-own // batch_size) * batch_size // own if own else 0
        assert all(counts[sample] in (low, low + 1) for sample in bucket.samples)
        if own % batch_size == 0:
            assert all(counts[sample] == 1 for sample in bucket.samples)


@hypothesis.given(own=st.integers(1, 6), batches=st.integers(1, 4), processes=st.sampled_from([1, 2, 3]))
def test_processes_share_an_epoch_without_overlap(own: int, batches: int, processes: int) -> None:
    """Rows are dealt out: each sample comes once in an epoch, over all processes together."""
    batch_size = own * processes
    plan = Plan([BucketContents(tuple(range(batch_size * batches)))], batch_size, seed=3)
    seen = Counter(
        plan.step(step).examples[row]
        for rank in range(processes)
        for step in range(plan.steps_per_epoch)
        for row in range(rank, batch_size, processes)
    )
    assert seen == Counter(range(batch_size * batches))


def test_any_step_can_be_asked_for_first() -> None:
    contents = buckets_of([(7, 3), (5, 0), (0, 9)])
    straight = Plan(contents, 4, seed=1)
    in_order = [straight.step(step) for step in range(40)]
    for step in (39, 0, 17, 3, 38):
        assert Plan(contents, 4, seed=1).step(step) == in_order[step]
    assert [straight.step(step) for step in reversed(range(40))] == in_order[::-1]


def test_epochs_and_seeds_differ() -> None:
    contents = buckets_of([(12, 0), (12, 0)])
    plan = Plan(contents, 4, seed=1)
    first, second = ([plan.step(6 * epoch + i).examples for i in range(6)] for epoch in range(2))
    assert first != second
    assert first != [Plan(contents, 4, seed=2).step(i).examples for i in range(6)]
    assert len({plan.step(i).bucket for i in range(3)} | {plan.step(i + 6).bucket for i in range(3)}) == 2


def test_repeats_count() -> None:
    plan = Plan([BucketContents((0, 0, 0, 1))], 2, seed=0)
    assert epoch_of(plan, 0) == {0: 3, 1: 1}


def test_as_many_regularisation_pictures_as_others() -> None:
    """12 samples: of 4 + 2 regularisation pictures 8 + 4 are taken, each twice."""
    counts = epoch_of(Plan(buckets_of([(8, 4), (4, 2)]), 4, seed=0), 0)
    assert [counts[i] for i in range(8)] == [1] * 8
    assert [counts[i] for i in range(8, 12)] == [2] * 4
    assert [counts[i] for i in (16, 17)] == [2] * 2


def test_more_regularisation_pictures_come_by_turns() -> None:
    plan = Plan(buckets_of([(4, 10)]), 4, seed=0)
    epochs = [epoch_of(plan, epoch) for epoch in range(5)]
    assert all(sum(counts.values()) == 8 for counts in epochs)
    total = sum(epochs, Counter())
    assert [total[i] for i in range(4, 14)] == [2] * 10  # 5 epochs of 4 are two passes over 10


@hypothesis.given(
    sizes=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=4).filter(
        lambda sizes: any(own for own, _ in sizes) and any(regular for _, regular in sizes)
    ),
    epochs=st.integers(1, 4),
)
def test_regularisation_is_even(sizes: list[tuple[int, int]], epochs: int) -> None:
    contents = buckets_of(sizes)
    plan = Plan(contents, 1, seed=0)
    assert plan.samples_per_epoch == 2 * sum(own for own, _ in sizes)
    total = sum((epoch_of(plan, epoch) for epoch in range(epochs)), Counter())
    for bucket in contents:
        counts = [total[i] for i in bucket.regularisation]
        assert not counts or max(counts) - min(counts) <= 1
