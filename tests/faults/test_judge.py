"""The judge sees every damage that is planted, and nothing where there is none."""
import copy
import unittest

import judge
from judge import Result
import lines
import run


def record(n, position, partition=0, producer='p', content=None):
    return {'partition': partition, 'position': position, 'id': f'{1:08x}{1:04x}{partition:04x}{n:012x}',
            'key': f'k0-{n % 2}', 'value': f'{producer}:{n}:vvv', 'content': content or f'c{n}'}


def entry(kind, side, n, count=1):
    return {'kind': kind, 'side': side, 'id': record(n, 0)['id'], 'count': count}


class Judge(unittest.TestCase):
    def setUp(self):
        self.told = [Result(n, 'done', 0, 1, 0) for n in range(5)]
        self.logs = {side: [record(n, n) for n in range(5)] for side in judge.SIDES}
        self.ledger = []

    def judged(self):
        return judge.judge({'p': self.told}, self.logs, self.ledger)

    def tell(self, n, state):
        self.told[n] = self.told[n]._replace(state=state)

    def test_nothing_is_wrong_with_equal_logs(self):
        account = self.judged()
        self.assertEqual(account.problems(), [])
        self.assertEqual(account.damage(), 0)
        self.assertEqual((account.issued, account.done), (5, 5))
        self.assertEqual(account.stored, {'kafka': 5, 'rocketmq': 5})

    def test_a_lost_copy_is_seen_unless_it_is_listed(self):
        del self.logs['rocketmq'][2]
        account = self.judged()
        self.assertEqual(len(account.lost), 1)
        self.assertEqual(account.silent, [record(2, 2)['id']])
        self.ledger = [entry('dropped', 'rocketmq', 1, 3)]
        self.assertEqual(self.judged().problems(), [])
        self.assertEqual(self.judged().missing_listed['rocketmq'], 1)
        self.ledger = [entry('dropped', 'kafka', 1, 3)]  # of the other side
        self.assertEqual(len(self.judged().lost), 1)
        self.ledger = [entry('late', 'rocketmq', 1, 3)]  # no reason for a hole
        self.assertEqual(len(self.judged().lost), 1)

    def test_a_message_lost_on_both_sides_is_seen(self):
        for side in judge.SIDES:
            del self.logs[side][4]
        self.assertEqual(len(self.judged().lost), 2)

    def test_not_done_and_yet_stored_is_seen(self):
        self.tell(3, 'not_done')
        self.assertEqual(self.judged().half, [('p', 3)])
        self.tell(3, 'unaccepted')
        self.assertEqual(self.judged().half, [('p', 3)])

    def test_in_doubt_without_a_trace_is_seen_unless_it_is_listed(self):
        self.tell(4, 'in_doubt')
        self.assertEqual(self.judged().problems(), [])
        for side in judge.SIDES:
            del self.logs[side][4]
        self.assertEqual(self.judged().unexplained, [('p', 4)])
        self.ledger = [entry('cancelled', 'kafka', 4)]
        self.assertEqual(self.judged().problems(), [])

    def test_another_order_is_seen(self):
        log = self.logs['kafka']
        log[1], log[2] = log[2], log[1]
        self.assertGreater(self.judged().inversions['kafka'], 0)
        self.assertEqual(self.judged().inversions['rocketmq'], 0)

    def test_a_further_copy_is_counted_and_keeps_the_order(self):
        self.logs['rocketmq'].append(record(1, 5))
        account = self.judged()
        self.assertEqual(account.copies, {'kafka': 0, 'rocketmq': 1})
        self.assertEqual(account.problems(), [])

    def test_another_content_is_seen(self):
        self.logs['rocketmq'][0] = record(0, 0, content='other')
        self.assertEqual(len(self.judged().altered), 1)

    def test_one_message_under_two_ids_is_seen(self):
        for side in judge.SIDES:
            self.logs[side].append(dict(record(9, 5), value='p:4:again', key='k0-0'))
        self.assertEqual(self.judged().doubled, [('p', 4)])


class Evidence(unittest.TestCase):
    def setUp(self):
        account = judge.Account()
        account.issued = 3
        self.line = lines.Line(1, 't', 'R1', 'g', ('memory',), None)
        self.outcome = lines.Outcome(None, {'cuts': 1, 'bytes': 2}, account)

    def test_a_line_whose_fault_struck_passes(self):
        run.check(self.line, self.outcome)

    def test_a_line_whose_evidence_is_zero_fails(self):
        self.outcome.evidence['cuts'] = 0
        with self.assertRaisesRegex(run.Failed, 'did not strike: cuts is 0'):
            run.check(self.line, self.outcome)

    def test_a_line_with_damage_or_too_many_copies_fails(self):
        broken = copy.deepcopy(self.outcome)
        broken.account.lost.append(('p', 1, 'kafka'))
        with self.assertRaisesRegex(run.Failed, '1 lost'):
            run.check(self.line, broken)
        self.outcome.account.copies['kafka'] = 1
        with self.assertRaisesRegex(run.Failed, 'further copies'):
            run.check(self.line, self.outcome)


if __name__ == '__main__':
    unittest.main()
