"""The whole move: all rows, two producers, two groups, four partitions; while they run one
partition of one group is switched, then everything, then rolled back, then switched again, and
the producers' primary follows. Live and shadow of both groups equal what SQL computes from the file, and so does each daily count."""
from harness import Scenario, need, need_equal, unhurried, wait_for

SECONDS = 24  # that the producers take


def main():
    with Scenario('whole_move') as s:
        m = s.migration(['carrier-stats', 'audit'])
        first, second = m.groups
        m.init()
        consumers = [m.consumer(group) for group in m.groups]
        wait_for(lambda: all(g['state'] == 'running' for g in m.route()['groups']),
                 'both groups to run')
        m.advance_to('dual-read')
        need_equal(m.route()['write'], 'kafka+rocketmq', 'write')

        total = s.expected.rows
        rate = total / unhurried(SECONDS) / 2
        producers = [m.producer(f'p{i}', rate=rate, shard=f'{i}/2') for i in range(2)]

        def at(part):
            m.wait_part(part, producers)

        force = ('--force', '--reason', 'in mid-stream')
        at(0.1)
        got = m.json('advance', '--group', first, '--partitions', '1', *force)
        need_equal((got['steps'], got['dry_run']),
                   ([{'topic': m.topic, 'group': first, 'from': 'dual-read', 'to': 'switching'}],
                    False), 'advance of one partition')
        need_equal(m.step(), 'switching', 'step')
        need_equal(m.group(first)['live'], {'kafka': [0, 2, 3], 'rocketmq': [1]}, first)
        need_equal(m.group(second)['live'], {'kafka': [0, 1, 2, 3], 'rocketmq': []}, second)
        at(0.25)
        m.json('advance', *force)
        need_equal((m.step(), m.route()['write']), ('switched', 'rocketmq+kafka'), 'step')
        for group in m.groups:
            need_equal(m.group(group)['live'], {'kafka': [], 'rocketmq': [0, 1, 2, 3]}, group)
        at(0.4)
        m.json('rollback')
        need_equal((m.step(), m.route()['write']), ('dual-read', 'kafka+rocketmq'), 'step')
        for group in m.groups:
            need_equal(m.group(group)['live'], {'kafka': [0, 1, 2, 3], 'rocketmq': []}, group)
        at(0.6)
        m.json('advance', *force)
        need_equal((m.step(), m.route()['write']), ('switched', 'rocketmq+kafka'), 'step')

        lines = [p.need_exit(0).last_json() for p in producers]
        for line in lines:
            need_equal((line['done'], line['not_done'], line['in_doubt'], line['next_row']),
                       (line['rows'], 0, 0, total), 'last line of a producer')
        need_equal(sum(line['rows'] for line in lines), total, 'rows of both')

        m.wait_processed(total)
        m.need_report(m.wait_report_equal(), s.expected)
        for group in m.groups:
            for role in ('live', 'shadow'):
                m.need_tables(group, role, s.expected)
        compared = m.json('compare')
        need(compared['equal'] and len(compared['tables']) == 4, 'compare', compared)
        for producer in producers:  # each moved its partitions to RocketMQ, back, and again
            moves = [producer.err().count(f'{side} is the primary now')
                     for side in ('rocketmq', 'kafka')]
            need_equal(moves, [8, 4], 'changes of primary')
        ledger = m.ledger()
        need(not any(ledger.values()), 'an empty ledger', ledger)
        for consumer in consumers:
            need_equal(consumer.terminate(), 0, 'exit of a consumer')
            need_equal(consumer.last_json(), {'live': total, 'shadow': total, 'duplicates': 0,
                                              'failed': 0}, 'last line of a consumer')
        # nothing runs any more: the same answer from what is stored
        m.need_report(m.wait_report_equal(), s.expected)


main()
