"""The order of the data is a function of seed and step."""

from kit import order


def epoch(number, count=20, size=4, seed=1):
    steps = order.steps_per_epoch(count, size)
    first = number * steps
    return [i for step in range(steps) for i in order.batch(seed, first + step, count, size)]


def test_an_epoch_shows_every_example_once():
    assert sorted(epoch(0)) == list(range(20))


def test_epochs_and_seeds_have_orders_of_their_own():
    assert len({tuple(epoch(0)), tuple(epoch(1)), tuple(epoch(0, seed=2))}) == 3


def test_a_step_does_not_depend_on_the_steps_before_it():
    late_first = order.batch(7, 900, 3000, 8)
    for step in range(5):
        order.batch(7, step, 3000, 8)
    assert order.batch(7, 900, 3000, 8) == late_first


def test_less_data_than_a_batch_is_one_batch():
    assert order.steps_per_epoch(3, 8) == 1
    assert sorted(order.batch(1, 5, 3, 8)) == [0, 1, 2]
