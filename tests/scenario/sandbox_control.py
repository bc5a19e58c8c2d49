"""The in-memory RocketMQ misbehaves as it is told, and duet copes or tells."""
import threading

from harness import Scenario, need, need_equal, wait_for


def main():
    with Scenario('sandbox_control') as s:
        m = s.migration(['carrier-stats'])
        group = m.groups[0]
        m.init()
        m.consumer(group)
        m.advance_to('dual-read')
        total = s.expected.rows
        producer = m.producer('p', rate=total / 8)
        wait_for(lambda: m.processed(group) > total * 0.05, 'the stream to run')

        for answer in (s.brokers.tell('nonsense'), s.brokers.tell('error x y'),
                       s.brokers.tell('withhold flights')):
            need(answer and not answer.startswith('ok'), 'a wrong line is refused', answer)

        # each a trouble that duet must cope with: the copies are resent in order, none doubled
        s.brokers.order('error 2 5')  # SYSTEM_BUSY
        s.brokers.order('delay 40')
        wait_for(lambda: m.processed(group) > total * 0.3, 'the stream with slow answers')
        s.brokers.order('delay 0')
        s.brokers.order('cut')
        wait_for(lambda: m.processed(group) > total * 0.5, 'the stream after a cut')
        s.brokers.order('restart')
        wait_for(lambda: m.processed(group) > total * 0.7, 'the stream after a restart')
        s.brokers.order('down')
        wait_for(lambda: m.processed(group) > total * 0.8, 'the stream without RocketMQ')
        s.brokers.order('up')
        producer.need_exit(0)
        m.wait_processed(total)

        kafka, rocketmq = m.log('kafka'), m.settled_log('rocketmq')
        ids = {r['id'] for r in rocketmq}
        need_equal(ids, {r['id'] for r in kafka}, 'ids on both sides')
        for role in ('live', 'shadow'):
            m.need_tables(group, role, s.expected)

        # several at a time: the control socket serves them one after the other
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(s.brokers.tell('delay 0')))
                   for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        need_equal(answers, ['ok'] * 8, 'answers')

        # withheld copies were acknowledged: only the counts can tell
        before = {r['id'] for r in kafka}
        s.brokers.order(f'withhold {m.topic} 3')
        few = s.folder / 'few.csv'
        with open(s.csv, encoding='ascii') as source:
            few.write_text(''.join(next(source) for _ in range(51)))
        m.producer('q', source=few).need_exit(0)
        m.wait_processed(total + 50, roles=('live',))
        fresh = {r['id'] for r in m.log('kafka')} - before
        there = {r['id'] for r in m.settled_log('rocketmq')}
        need_equal((len(fresh), len(fresh - there)), (50, 3), 'copies withheld')

        def told():
            rows = [r for r in m.report()['days'] if r['group'] is None and r['side'] == 'rocketmq']
            return sum(r['issued'] - r['stored'] for r in rows) == 3
        wait_for(told, 'the report to miss them', 20, every=0.3)
        need_equal(m.report()['equal'], False, 'equal')
        need_equal(m.duet('advance').code, 1, 'a switch with copies missing')


main()
