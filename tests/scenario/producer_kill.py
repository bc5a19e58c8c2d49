"""A producer is killed and resumed, twice. Each id in Kafka's log has had its live effects once,
the shadow lacks nothing that is not listed, no acknowledged row is missing. What it lacks it takes
from Kafka when it may."""
from collections import Counter

import expected
from harness import Scenario, need, need_equal, unhurried, wait_for

SECONDS = 12  # that each producer would take for all
HOLD = 'consumer: {hold.ms: %d}'


def rows_of(records):
    """Values as a multiset: a row is known by its whole text."""
    return Counter(record['value'] for record in records)


def main():
    with Scenario('producer_kill') as s:
        # what died with the producer is to be seen first
        m = s.migration(['carrier-stats'], extra=HOLD % 3600000)
        group = m.groups[0]
        m.init()
        consumer = m.consumer(group)
        m.advance_to('dual-read')
        total = s.expected.rows
        rate = total / unhurried(SECONDS) / 2
        m_producers = {f'p{i}': m.producer(f'p{i}', rate=rate, shard=f'{i}/2') for i in range(2)}

        for kill, part in enumerate((0.25, 0.5)):
            wait_for(lambda p=part: m.next_row('p0') >= total * p, f'{part:.0%} acknowledged', 60)
            m_producers['p0'].kill9()
            reached = m.next_row('p0')
            s.say(f'killed at row {reached}')
            m_producers['p0'] = m.producer('p0', rate=rate, shard='0/2', resume=True)
            wait_for(lambda r=reached: m.next_row('p0') > r, 'it to go on', 30)
            need(m.next_row('p0') >= reached, 'it goes on where it was', kill)
        for producer in m_producers.values():
            need_equal(producer.need_exit(0).last_json()['next_row'], total, 'next_row')

        kafka = [r for r in m.log('kafka')]
        need(all(r['verdict'] == 'ok' for r in kafka), 'every record is stamped')
        ids = Counter(r['id'] for r in kafka)
        need_equal([i for i, n in ids.items() if n > 1], [], 'ids twice in Kafka')
        # no row is missing: a row that was sent again is there twice, under two ids
        file_rows = expected.from_csv(s.csv).rows
        need_equal(len(rows_of(kafka)), file_rows, 'distinct rows in Kafka')
        again = len(kafka) - file_rows
        s.say(f'{again} rows were sent again')

        # each id once: the tables are what SQL makes of Kafka's log, sum of flights included
        wanted = expected.from_log(kafka)
        m.wait_processed(len(ids), roles=('live',))
        m.need_tables(group, 'live', wanted)

        # the copies that died with the producer are the only ones the shadow may lack
        rocketmq = {r['id'] for r in m.settled_log('rocketmq')}
        missing = set(ids) - rocketmq
        need_equal(sorted(rocketmq - set(ids)), [], 'ids in RocketMQ alone')
        s.say(f'{len(missing)} copies are missing in RocketMQ')
        m.wait_processed(len(ids) - len(missing), roles=('shadow',))
        m.need_tables(group, 'shadow', expected.from_log([r for r in kafka
                                                          if r['id'] not in missing]))

        def told():
            """What is missing stands in the report: never an equal one."""
            rows = [row for row in m.report()['days'] if row['group'] is None]
            stored = {side: sum(r['stored'] for r in rows if r['side'] == side)
                      for side in ('kafka', 'rocketmq')}
            issued = {side: sum(r['issued'] for r in rows if r['side'] == side)
                      for side in ('kafka', 'rocketmq')}
            return (stored == {'kafka': len(ids), 'rocketmq': len(rocketmq)}
                    and issued['rocketmq'] - stored['rocketmq'] >= len(missing))
        wait_for(told, 'the report to show it', 20, every=0.3)
        if missing:
            need_equal(m.report()['equal'], False, 'equal, with copies missing')

        consumer.terminate()
        m.write_config(extra=HOLD % 500)
        m.consumer(group)
        m.wait_processed(len(ids))
        wait_for(lambda: m.ledger()['fetched'] == len(missing), 'what was fetched to be listed', 20)
        m.need_tables(group, 'live', wanted)
        # a late message of a key changes last_seen, which is of the order of arrival
        need_equal(m.tables(group, 'shadow')['carrier_day'], wanted.tables()['carrier_day'],
                   'what the shadow has of each day')


main()
