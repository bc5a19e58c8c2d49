"""A producer's host vanishes while RocketMQ is away. `duet journal adopt` sends what its journal
owes, also when it is killed on the way; the host that comes back sends none of it again.
"""
from harness import Scenario, need, need_equal, wait_for


def owed(m, folder):
    return m.json('journal', 'list', folder)['messages']


def ids_of(records):
    return [record['id'] for record in records]


def main():
    with Scenario('journal_adopt') as s:
        m = s.migration(['carrier-stats'], extra='producer: {memory.max: 262144}',
                        partitions=4)
        folder = m.folder / 'state' / 'gone' / 'journal'
        m.init()
        m.advance_to('dual-write')
        s.brokers.rocketmq_kill()
        producer = m.producer('gone')
        wait_for(lambda: m.next_row('gone') > s.expected.rows * 0.6, 'most rows acknowledged', 90)

        refused = m.duet('journal', 'adopt', folder, '--reason', 'a try', '--json').need(1)
        need('its producer lives' in refused.json['error'], 'while it lives', refused.out)
        m.duet('journal', 'adopt', folder).need(2)  # no reason
        m.duet('journal', 'adopt', m.folder / 'nowhere', '--reason', 'a try').need(2)

        producer.kill9()
        messages = owed(m, folder)
        need(messages > 1000, 'the journal owes something', messages)
        late = m.duet('journal', 'adopt', folder, '--reason', 'its host burnt down', '--wait', 1,
                      '--json').need(3)
        need('still owed' in late.json['error'], 'while RocketMQ is away', late.out)
        need_equal(owed(m, folder), messages, 'owed as before')
        back = m.producer('gone', resume=True)  # in the way of its own older messages
        need(back.wait() != 0 and 'duet journal adopt' in back.err(), 'the host comes back',
             back.err()[-500:])

        s.brokers.rocketmq_start()
        adopting = s.start('adopt', m.command('journal', 'adopt', folder, '--reason',
                                              'its host burnt down'))
        first = min(folder.glob('*.seg'))
        wait_for(lambda: not first.exists(), 'the first segment to be sent', 60, every=0.002)
        adopting.kill9()
        s.say('killed while it sends')
        adopted = m.duet('journal', 'adopt', folder, '--reason', 'again', '--json', timeout=120)
        adopted = adopted.need(0).json
        need_equal((adopted['left'], adopted['sent'], adopted['was_taken']),
                   (0, adopted['messages'], False), 'all of it is sent')
        need(m.json('journal', 'adopt', folder, '--reason', 'once more')['was_taken'],
             'nothing is left to take')
        need_equal(owed(m, folder), 0, 'owed')

        kafka, rocketmq = m.log('kafka'), m.settled_log('rocketmq')
        there, missing = set(ids_of(kafka)), set(ids_of(kafka)) - set(ids_of(rocketmq))
        need(set(ids_of(rocketmq)) <= there, 'under the ids of their Kafka copies')
        need_equal(len(set(ids_of(rocketmq))), messages, 'what the journal owed')
        # what is missing was in memory when the host vanished, older than all in the journal
        for partition in range(m.partitions):
            order = [r['id'] for r in rocketmq if r['partition'] == partition]
            first = list(dict.fromkeys(order))
            need_equal(first, [r['id'] for r in kafka
                               if r['partition'] == partition and r['id'] not in missing],
                       f'order in partition {partition}')

        again = m.producer('gone', resume=True).need_exit(0, 120)
        need('taken over' in again.err(), 'the producer says it', again.err()[-500:])
        before, after = ids_of(rocketmq), ids_of(m.settled_log('rocketmq'))
        need_equal(sum(after.count(i) for i in before[:20]), sum(before.count(i)
                                                                 for i in before[:20]),
                   'copies of what was taken over')
        need_equal(len(after) - len(before), len(ids_of(m.log('kafka'))) - len(kafka),
                   'only what is new')


if __name__ == '__main__':
    main()
