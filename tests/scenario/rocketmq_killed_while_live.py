"""RocketMQ is killed while it is live: rollback brings the groups to Kafka, whose live tables are
exact with RocketMQ still dead; the shadow tables are, once it is back, less what is listed."""
import expected
from harness import Scenario, need, need_equal, unhurried, wait_for

SECONDS = 20


def main():
    with Scenario('rocketmq_killed_while_live') as s:
        m = s.migration(['carrier-stats', 'audit'])
        m.init()
        for group in m.groups:
            m.consumer(group)
        m.advance_to('dual-read')
        total = s.expected.rows
        producers = [m.producer(f'p{i}', rate=total / unhurried(SECONDS) / 2, shard=f'{i}/2')
                     for i in range(2)]
        wait_for(lambda: m.processed(m.groups[0]) >= total * 0.15, 'the stream to run')
        m.json('advance', '--force', '--reason', 'in mid-stream')
        need_equal(m.step(), 'switched', 'step')
        switched_at = m.processed(m.groups[0])
        wait_for(lambda: m.processed(m.groups[0]) >= switched_at + total * 0.1,
                 'live effects from RocketMQ')
        s.brokers.rocketmq_kill()
        s.say('RocketMQ is dead')
        m.json('rollback')
        s.say('rolled back')
        need_equal(m.step(), 'dual-read', 'step')
        for group in m.groups:
            need_equal(m.group(group)['live'], {'kafka': [0, 1, 2, 3], 'rocketmq': []}, group)
        # with RocketMQ dead all the while
        m.wait_processed(total, roles=('live',), timeout=60)
        for group in m.groups:
            m.need_tables(group, 'live', s.expected)
        s.say('live is exact')
        s.brokers.rocketmq_start()
        for producer in producers:
            line = producer.need_exit(0).last_json()
            need_equal((line['done'], line['rows']), (line['rows'], line['rows']), 'last line')
        kafka = m.log('kafka')
        stored = {r['id'] for r in m.settled_log('rocketmq')}
        lost = {r['id'] for r in kafka} - stored
        ledger = m.ledger()
        if lost:  # a broker that was killed may have lost its tail
            s.say(f'{len(lost)} copies are gone: {ledger}')
            need(sum(ledger.values()) > 0 or not m.report()['equal'], 'what is lost is told')
            wanted = expected.from_log([r for r in kafka if r['id'] not in lost])
            # some of the lost had their effects before: at least all the others must be there
            m.wait_processed(wanted.rows, roles=('shadow',))
        else:
            m.wait_processed(total)
            for group in m.groups:
                m.need_tables(group, 'shadow', s.expected)
            # what was in flight when it was killed may be there twice
            m.need_report(m.wait_report_equal(), s.expected, resent=True)
        for group in m.groups:
            m.need_tables(group, 'live', s.expected)


main()
