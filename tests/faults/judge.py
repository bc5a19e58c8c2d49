"""What became of messages: what the application was told, held against both logs and the ledger.

Pure: lists and dictionaries in, an Account out, so that test_judge.py can plant each damage.
"""
import collections
import struct

SIDES = ('kafka', 'rocketmq')

# of feeder.c
STATES = ('never', 'calling', 'accepted', 'done', 'not_done', 'in_doubt', 'unaccepted')
STATS = ('produced', 'spilled', 'replayed', 'dropped', 'refused', 'waits', 'pending', 'journal',
         'journal_bytes', 'plan', 'moving', 'clock_steps', 'opened', 'sent', 'flushed', 'insisted')
STATS_SIZE = 8 * len(STATS)
RESULT = struct.Struct('=qqii')

# why a copy may be missing on one side, or a message on both
EXPLAINS_ONE = {'dropped', 'refused', 'isolated', 'gap', 'in_doubt'}

Result = collections.namedtuple('Result', 'number state begun_us ended_us code')


def read_results(data, first=0):
    """The statistics and the results of a feeder's file, as they are now."""
    stats = dict(zip(STATS, struct.unpack_from(f'={len(STATS)}q', data), strict=True))
    results = []
    for number in range(first, (len(data) - STATS_SIZE) // RESULT.size):
        begun, ended, state, code = RESULT.unpack_from(data, STATS_SIZE + number * RESULT.size)
        results.append(Result(number, STATES[state], begun, ended, code))
    return stats, results


def split_id(text):
    """(instance, boot, partition) and sequence of an id of 28 hex digits."""
    return (text[:8], text[8:12], text[12:16]), int(text[16:], 16)


def ids_of(entry):
    """Every id of a ledger entry."""
    first = int(entry['id'], 16)
    return {f'{first + n:028x}' for n in range(entry['count'])}


class Account:
    """The figures of one run, and what of it breaks a promise."""

    def __init__(self):
        self.issued = self.done = self.not_done = self.in_doubt = 0
        self.stored = dict.fromkeys(SIDES, 0)
        self.copies = dict.fromkeys(SIDES, 0)       # beyond the first of an id
        self.inversions = dict.fromkeys(SIDES, 0)
        self.listed = 0                             # ids in the ledger
        self.missing = dict.fromkeys(SIDES, 0)      # that the other side has
        self.missing_listed = dict.fromkeys(SIDES, 0)
        self.lost = []            # told done, and not on a side that nobody listed
        self.half = []            # told not done, and stored
        self.silent = []          # on one side alone, and not listed
        self.altered = []         # another content on the other side
        self.unexplained = []     # accepted, and never answered nor on any side nor listed
        self.doubled = []         # one message under several ids

    def damage(self):
        return (len(self.lost) + len(self.half) + len(self.silent) + len(self.altered)
                + len(self.unexplained) + len(self.doubled) + sum(self.inversions.values()))

    def problems(self):
        found = [f'{len(ids)} {what} ({ids[:3]})' for what, ids in (
            ('lost', self.lost), ('not done, yet stored', self.half),
            ('on one side, not listed', self.silent), ('altered', self.altered),
            ('without a trace', self.unexplained), ('under several ids', self.doubled)) if ids]
        return found + [f'{n} out of order on {side}' for side, n in self.inversions.items() if n]

    def figures(self):
        return {'issued': self.issued, 'done': self.done, 'not_done': self.not_done,
                'in_doubt': self.in_doubt, 'stored': self.stored, 'copies': self.copies,
                'missing': self.missing, 'listed': self.listed,
                'order_kept': not any(self.inversions.values())}


def message_of(record):
    """(producer, number) from "NAME:n:..." in a record's value, or in its key where there is none;
    None of another's."""
    name, _, rest = (record['value'] or record['key'] or '').partition(':')
    number = rest.partition(':')[0]
    return (name, int(number)) if number.isascii() and number.isdigit() else None


def first_copies(records):
    """Records by id in the order of each partition's log, further copies counted."""
    by_id, copies = {}, 0
    for record in records:
        if record['id'] in by_id:
            copies += 1
        else:
            by_id[record['id']] = record
    return by_id, copies


def count_inversions(by_id):
    """Of first copies, per producer, boot and partition; and of messages per key and producer,
    whatever their ids say."""
    last, inversions = {}, 0
    for text, record in by_id.items():
        lane, sequence = split_id(text)
        inversions += last.get(lane, -1) > sequence
        last[lane] = max(last.get(lane, -1), sequence)
        message = message_of(record)
        if message and record['key'] and record['key'].startswith('k'):
            key = message[0], record['key']
            inversions += last.get(key, -1) > message[1]
            last[key] = max(last.get(key, -1), message[1])
    return inversions


def judge(runs, logs, ledger, missing=(), written=SIDES, cancelled_done=False):
    """`runs`: {producer: results}, `logs`: {side: records in the order of each partition},
    `ledger` and `missing`: entries of `duet report --ledger --json`. `cancelled_done`: what was done may be
    on no side if it is listed as cancelled, since the primary lost it after its acknowledgement."""
    account = Account()
    by_id, where = {}, {}
    for side in SIDES:
        by_id[side], account.copies[side] = first_copies(logs[side])
        account.stored[side] = len(by_id[side])
        account.inversions[side] = count_inversions(by_id[side])
        for text, record in by_id[side].items():
            message = message_of(record)
            if message:
                where.setdefault(message, {}).setdefault(side, []).append(text)

    listed = collections.defaultdict(set)  # side -> ids that may be missing there
    nowhere = 0
    every = set()
    for entry in ledger:
        ids = ids_of(entry)
        every |= ids
        if entry['kind'] in EXPLAINS_ONE:
            listed[entry['side']] |= ids
        if entry['kind'] in ('cancelled', 'in_doubt', 'gap'):
            nowhere += len(ids - set(by_id['kafka']) - set(by_id['rocketmq']))
    for entry in missing:
        ids = ids_of(entry)
        every |= ids
        for side in SIDES if entry['side'] is None else (entry['side'],):
            listed[side] |= ids
        if entry['side'] is None:
            nowhere += len(ids)
    account.listed = len(every)

    for side in written:
        other = SIDES[1 - SIDES.index(side)]
        lacking = set(by_id[other]) - set(by_id[side])
        account.missing[side] = len(lacking)
        account.missing_listed[side] = len(lacking & listed[side])
        account.silent += sorted(lacking - listed[side])
    for text in set(by_id['kafka']) & set(by_id['rocketmq']):
        if by_id['kafka'][text]['content'] != by_id['rocketmq'][text]['content']:
            account.altered.append(text)
    for message, sides in where.items():
        if any(len(set(ids)) > 1 for ids in sides.values()):
            account.doubled.append(message)

    traceless = []
    for name, results in runs.items():
        for result in results:
            message, stored = (name, result.number), where.get((name, result.number), {})
            if result.state in ('accepted', 'calling', 'done', 'not_done', 'in_doubt'):
                account.issued += result.state != 'calling' or bool(stored)
            if result.state == 'done':
                account.done += 1
                if cancelled_done and not stored:
                    traceless.append(message)
                    continue
                for side in written:
                    known = {i for ids in stored.values() for i in ids}
                    if side not in stored and not known & listed[side]:
                        account.lost.append((*message, side))
            elif result.state in ('not_done', 'unaccepted'):
                account.not_done += result.state == 'not_done'
                if stored:
                    account.half.append(message)
            elif result.state == 'in_doubt':
                account.in_doubt += 1
                if not stored:
                    traceless.append(message)
    # their ids are in no log, so only their number can be held against the ledger
    account.unexplained = traceless[max(0, nowhere):]
    return account
