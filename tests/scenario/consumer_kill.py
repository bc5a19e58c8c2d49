"""A consumer is killed three times in mid-stream, and in the second of a switch and of a roll
back: no effect is lost or repeated."""
import random
import time

from harness import Scenario, need_equal, unhurried

SECONDS = 30


def main():
    with Scenario('consumer_kill') as s:
        m = s.migration(['carrier-stats', 'audit'])
        group, other = m.groups
        m.init()
        consumer = m.consumer(group)
        m.consumer(other)
        m.advance_to('dual-read')
        total = s.expected.rows
        producers = [m.producer(f'p{i}', rate=total / unhurried(SECONDS) / 2, shard=f'{i}/2')
                     for i in range(2)]

        def at(part):
            m.wait_part(part, producers)

        for part in (0.1, 0.2, 0.3):
            at(part)
            consumer.kill9()
            consumer = m.consumer(group)  # the same name, at once
        force = ('--force', '--reason', 'while it is killed')
        for part, words, live in ((0.45, ('advance', *force), 'rocketmq'),
                                  (0.6, ('rollback',), 'kafka'),
                                  (0.75, ('advance', *force), 'rocketmq')):
            at(part)
            command = s.start(words[0], m.command(*words, '--json'))
            # any moment of the switch: that is the test, not a wait
            time.sleep(random.uniform(0, 0.3))
            consumer.kill9()
            consumer = m.consumer(group)
            command.need_exit(0)
            for name in m.groups:
                need_equal(m.group(name)['live'][live], [0, 1, 2, 3], f'{name} live on {live}')
        for producer in producers:
            producer.need_exit(0)

        m.wait_processed(total)
        m.need_report(m.wait_report_equal(), s.expected)
        for name in m.groups:
            for role in ('live', 'shadow'):
                m.need_tables(name, role, s.expected)
        need_equal(m.json('compare')['equal'], True, 'compare')


main()
