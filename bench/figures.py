"""From runs to figures: blocks of A B B A, ratios with bootstrap intervals, and the bounds."""
import dataclasses
import math
import os
import pathlib
import random
import statistics
import time
import typing

BUSY = 0.2  # cores that others use: above, a block does not count as quiet


@dataclasses.dataclass
class Check:
    """One figure of a row and its bounds. With a peer the figure is ours divided by the peer's."""
    label: str
    value: typing.Callable      # of one run's dict
    must: float
    aim: float
    at_most: bool = True        # else at least
    against: tuple = ('java',)  # kinds of run, whose figures add up; None: ours itself is bounded
    unit: str = ''

    def holds(self, figure, bound):
        return figure <= bound if self.at_most else figure >= bound

    def verdict(self, figure):
        if self.holds(figure, self.aim):
            return 'aim'
        return 'must' if self.holds(figure, self.must) else 'MISSED'

    def show(self, figure):
        if self.against is None:
            return f'{figure:.3g} {self.unit}'
        if self.at_most and self.must < 0.5:  # a share of the peer's
            return f'1/{1 / figure:.1f}'
        return f'{figure:.2f}x'


@dataclasses.dataclass
class Row:
    name: str
    title: str
    prepare: typing.Callable    # (world) -> {'ours': run, a peer: run ...}; each run gives a dict
    checks: list


def cpu(figures):
    return figures['cpu_us_per_message']


def rate(figures):
    return figures['rate']


def busy_cores():
    """Cores that all processes use, over 0.3 s in which we do nothing."""
    def read():
        fields = [int(f) for f in pathlib.Path('/proc/stat').read_text().split('\n')[0].split()[1:]]
        return sum(fields[:3]) + sum(fields[5:8])
    before, at = read(), time.monotonic()
    time.sleep(0.3)
    return (read() - before) / os.sysconf('SC_CLK_TCK') / (time.monotonic() - at)


def blocks(row, kinds, rounds, tell):
    """Runs A B B A `rounds` times (with two peers A B C C B A); a row without a peer A A."""
    order = [*kinds, *reversed(kinds)]
    runs = []
    for number in range(rounds):
        others = busy_cores()
        for kind in order:
            figures = kinds[kind]()
            runs.append({'block': number, 'kind': kind, 'others_cores': round(others, 2),
                         **figures})
            tell(row, kind, figures)
    return runs


def block_ratio(check, runs):
    """The geometric mean of a block's two runs over that of its peer's; of several peers over the
    sum of theirs."""
    def middle(kind):
        values = [check.value(r) for r in runs if r['kind'] == kind]
        return math.exp(statistics.fmean(math.log(v) for v in values))
    return middle('ours') / (1 if check.against is None else sum(map(middle, check.against)))


def judge(check, runs):
    """The median over blocks, with a 95 % bootstrap interval. The first block warms, if there are
    enough of them."""
    numbers = sorted({r['block'] for r in runs})
    if len(numbers) >= 4:
        numbers = numbers[1:]
    ratios = [block_ratio(check, [r for r in runs if r['block'] == n]) for n in numbers]
    draw = random.Random(1)
    medians = sorted(statistics.median(draw.choices(ratios, k=len(ratios))) for _ in range(2000))
    figure = statistics.median(ratios)

    def middle(kind):
        return statistics.median(check.value(r) for r in runs
                                 if r['kind'] == kind and r['block'] in numbers)
    result = {'label': check.label, 'figure': figure, 'interval': [medians[50], medians[1949]],
              'blocks': len(ratios), 'ours': middle('ours'), 'verdict': check.verdict(figure),
              'must': check.must, 'aim': check.aim}
    if check.against is not None:
        result['peer'] = sum(map(middle, check.against))
    return result
