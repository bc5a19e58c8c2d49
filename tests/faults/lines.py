"""The lines of the failure matrix, as far as a producer meets them: the registry.

A line is a function that makes one fault happen to one World and returns what proves that it
struck. The runner repeats it with other seeds, judges what became of each message, and fails it
where a proof is zero or a promise is broken.
"""
import collections

Line = collections.namedtuple('Line', 'number title promises group brokers function')
Unprotected = collections.namedtuple('Unprotected', 'promise title without group brokers function')

# messages that one request can leave unanswered: a batch of each of four queues
IN_FLIGHT_MAX = 4 * 1024

LINES = {}
UNPROTECTED = {}

# lines of the matrix that no producer can meet, and where they belong
ELSEWHERE = {
    7: 'rebalances: consumers only',
    10: 'controllers: the control plane',
    20: 'the switch itself: the control plane',
    24: 'versions and keys: one of each so far',
}


def line(number, title, promises, group, brokers=('memory', 'real')):
    def register(function):
        assert number not in LINES
        LINES[number] = Line(number, title, promises, group, brokers, function)
        return function
    return register


def unprotected(promise, title, without, group='unprotected', brokers=('memory',)):
    """A run of the same with a protection away: it must show damage."""
    def register(function):
        assert promise not in UNPROTECTED
        UNPROTECTED[promise] = Unprotected(promise, title, without, group, brokers, function)
        return function
    return register


class Outcome:
    """What one repetition gives: proofs that the fault struck, and the account of its messages.

    `copies_max`: so many further copies are the fault's due. `figures`: more numbers worth
    keeping. `world`: closed by the runner."""

    def __init__(self, world, evidence, account, copies_max=0, figures=None):
        self.world, self.evidence, self.account = world, evidence, account
        self.copies_max, self.figures = copies_max, figures or {}
