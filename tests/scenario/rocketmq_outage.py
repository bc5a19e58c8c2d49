"""RocketMQ is away for 20 s in dual write. Every callback comes from Kafka's acknowledgement.

    --outage kill|pause   a load below the memory bound: all is equal again afterwards
    --outage spill        one far above it: what memory has no room for waits in the journal, and
                          all is equal again afterwards
    --outage bound        the same without a journal: memory stays bounded, and the report differs
                          by exactly the ranges that are listed as dropped. The next records tell
                          why they are missing, so no gap stays; the shadow takes them from Kafka
                          then; repaired, all is equal again
    --outage bound_kafka  the same after the switch, with Kafka away
"""
import json
import shutil
import sys
import time

import expected
from harness import SLOWER, Scenario, need, need_equal, wait_for

AWAY = 20.0


def sum_of(report, side, field):
    return sum(row[field] for row in report['days'] if row['group'] is None
               and row['side'] == side)


def producer_owes(m):
    return sum(i['journal']['messages'] for i in m.json('status')['instances']
               if i['role'] == 'producer')


def breakers(m):
    return {side: {i['breaker'][side] for i in m.json('status')['instances']
                   if i['role'] == 'producer'} for side in ('kafka', 'rocketmq')}


def look_into_journal(m):
    """`duet journal` shows what is owed while the producer goes on, and finds damage."""
    folder = m.folder / 'state' / 'p' / 'journal'
    listed = m.json('journal', 'list', folder)
    need(listed['messages'] > 0 and not listed['damages'], 'journal list', listed['damages'])
    need_equal(sum(lane['messages'] for lane in listed['lanes']), listed['messages'], 'its lanes')
    need_equal({(lane['topic'], lane['side']) for lane in listed['lanes']},
               {(m.topic, 'rocketmq')}, 'whose they are')
    need('owed' not in listed, 'no payload unless it is asked for')
    shown = m.json('journal', 'list', folder, '--payload')['owed']
    need(len(shown) > 0 and json.loads(shown[0]['value'])['carrier'], 'payload', shown[:1])
    m.duet('journal', 'check', folder).need(0)
    copy = m.folder / 'journal-copy'
    shutil.copytree(folder, copy)
    segment = sorted(copy.glob('*.seg'))[0]
    with open(segment, 'r+b') as file:
        file.seek(2000)
        file.write(b'damaged' * 10)
    damaged = m.json('journal', 'check', copy, code=1)
    need(damaged['damages'][0]['number_to'] > damaged['damages'][0]['number_from'], 'damage',
         damaged['damages'])
    m.duet('journal', 'list', m.folder / 'nowhere').need(2)


def below(s, outage):
    extra = 'producer: {memory.max: 262144}' if outage == 'spill' else ''
    m = s.migration(['carrier-stats'], extra=extra)
    group = m.groups[0]
    m.init()
    m.consumer(group)
    m.advance_to('dual-read')
    total = s.expected.rows
    rate = total / (AWAY + 8)
    producer = m.producer('p', rate=rate)
    wait_for(lambda: m.next_row('p') > total * 0.05, 'the stream to run')
    (s.brokers.rocketmq_pause if outage == 'pause' else s.brokers.rocketmq_kill)()
    first = producer.rss()
    since, before = time.monotonic(), m.next_row('p')
    s.say('RocketMQ is away')
    # the pace of acknowledgements does not change: nobody waits for RocketMQ
    wait_for(lambda: time.monotonic() - since >= AWAY, 'the outage', AWAY + 10, every=0.2)
    acknowledged = m.next_row('p') - before
    need(acknowledged > rate * AWAY * 0.7, 'acknowledged while RocketMQ was away',
         f'{acknowledged} of {rate * AWAY:.0f}')
    need(m.processed(group) >= before + acknowledged * 0.7, 'live goes on', m.processed(group))
    need(producer.rss() < first + (32 << 20) * (4 if SLOWER > 1 else 1), 'memory stays bounded',
         f'{first >> 20} MiB, then {producer.rss() >> 20} MiB')
    wait_for(lambda: breakers(m)['rocketmq'] <= {'open', 'probing'}, 'status to show the breaker')
    need_equal(breakers(m)['kafka'], {'closed'}, "the primary's breaker")
    text = m.duet('status').need(0).out
    need(any('producer' in line and ('open' in line or 'probing' in line)
             for line in text.splitlines()), 'the table shows it, too', text)
    if outage == 'spill':
        wait_for(lambda: producer_owes(m) > acknowledged * 0.7, 'status to show what is owed')
        look_into_journal(m)
    (s.brokers.rocketmq_resume if outage == 'pause' else s.brokers.rocketmq_start)()
    s.say('RocketMQ is back')
    producer.need_exit(0)
    need('waited for a secondary: 0 times' in producer.err(), 'no call waited', producer.err())
    m.wait_processed(total)
    # a request that was in flight may have been carried out without an answer, and sent again
    m.need_report(m.wait_report_equal(), s.expected, resent=True)
    for role in ('live', 'shadow'):
        m.need_tables(group, role, s.expected)
    need(not m.ledger()['dropped'], 'nothing is dropped', m.ledger())


BOUND = 'producer: {memory.max: 262144, journal.max: 0}\nconsumer: {hold.ms: %d}'


def bound(s, away='rocketmq'):
    there = 'kafka' if away == 'rocketmq' else 'rocketmq'
    # not yet: what is missing is to be seen first
    m = s.migration(['carrier-stats'], extra=BOUND % 3600000)
    group = m.groups[0]
    # many times the bound, where the brokers hold so much
    source, times = s.csv, 1
    if s.kind == 'real':
        times = 2
        source = s.folder / 'several.csv'
        header, _, rows = s.csv.read_text().partition('\n')
        source.write_text(header + '\n' + rows * times)
    total = s.expected.rows * times
    m.init()
    consumer = m.consumer(group)
    m.advance_to('dual-read')
    if away == 'kafka':
        m.advance_to('switched')  # written rocketmq+kafka, and nobody is live on kafka
        wait_for(lambda: m.route()['groups'][0]['state'] == 'running', 'the roles to have begun')
    (s.brokers.rocketmq_kill if away == 'rocketmq' else s.brokers.kafka_kill)()
    since = time.monotonic()
    producer = m.producer('p', source=source)
    wait_for(lambda: m.next_row('p') > 0, 'the first acknowledgement')
    first, most = producer.rss(), 0
    wait_for(lambda: m.next_row('p') == total, f'every row acknowledged while {away} is away', 60)

    def is_long_enough():
        nonlocal most
        most = max(most, producer.rss())
        return time.monotonic() - since >= AWAY
    wait_for(is_long_enough, 'the outage', AWAY + 10, every=0.2)
    s.say(f'{first >> 20} MiB at first, {most >> 20} MiB at most')
    need(most < first + (8 << 20) * (4 if SLOWER > 1 else 1), 'memory stays bounded',
         f'{first >> 20} MiB, then {most >> 20} MiB')
    (s.brokers.rocketmq_start if away == 'rocketmq' else s.brokers.kafka_start)()
    line = producer.need_exit(0).last_json()
    need_equal((line['done'], line['not_done'], line['in_doubt']), (total, 0, 0), 'last line')

    full = {r['id']: r for r in m.settled_log(there)}
    missing = set(full) - {r['id'] for r in m.settled_log(away)}
    need(missing, 'some copies are dropped')
    s.say(f'{len(missing)} copies of {total} dropped')
    wait_for(lambda: m.ledger()['dropped'] == len(missing), 'the ledger to count them', 15)
    listed = set()
    for entry in m.json('report', '--daily', '--ledger', code=1)['ledger']:
        if entry['kind'] == 'dropped':
            need_equal(entry['side'], away, 'side of a drop')
            first_id, count = entry['id'], entry['count']
            listed.update(f'{int(first_id, 16) + n:028x}' for n in range(count))
    need_equal(listed == missing, True, f'the {len(listed)} ids listed are the {len(missing)} '
               'missing ones')

    def told():
        report = m.report()
        return (not report['equal'] and sum_of(report, there, 'stored') == total
                and sum_of(report, there, 'issued') == total
                and sum_of(report, away, 'issued') == total
                and sum_of(report, away, 'stored') == total - len(missing))
    wait_for(told, 'the report to differ by what is listed', 20, every=0.3)
    m.wait_processed(total, roles=('live',))
    wanted = expected.from_log(list(full.values()))
    m.need_tables(group, 'live', wanted)
    m.wait_processed(total - len(missing), roles=('shadow',))
    m.need_tables(group, 'shadow', expected.from_log(
        [r for r in full.values() if r['id'] not in missing]))
    told_why(s, m, consumer, len(missing), away, there)


def told_why(s, m, consumer, dropped, away, there):
    """The producer starts again: its first records tell where the boot before ended and what it
    dropped last. Nobody calls those numbers missing. They are taken from the other side; their
    copies, repaired later, are passed over."""
    group = m.groups[0]
    few = s.folder / 'few.csv'
    few.write_text(''.join(s.csv.read_text().splitlines(keepends=True)[:201]))
    # not resumed: new messages of a new boot
    m.producer('p', source=few).need_exit(0)
    total = len(m.settled_log(there))
    m.wait_processed(total, roles=('live',))
    m.wait_processed(total - dropped, roles=('shadow',))

    wanted = expected.from_log(m.log(there))
    m.need_tables(group, 'live', wanted)

    consumer.terminate()
    m.write_config(extra=BOUND % 500)
    m.consumer(group)
    m.wait_processed(total)
    wait_for(lambda: m.ledger()['fetched'] == dropped, 'the ledger to count what was fetched', 20)
    # longer than hold.ms, and two reports: nothing is called missing
    since = time.monotonic()
    wait_for(lambda: m.ledger()['gap'] == 0 and time.monotonic() - since > 2 * SLOWER, 'no gap', 20,
             every=0.2)

    def as_wanted():
        m.need_tables(group, 'live', wanted)
        # the order between the producer's keys is not what it was, so last_seen is another
        need_equal(m.tables(group, 'shadow')['carrier_day'], wanted.tables()['carrier_day'],
                   'what the shadow has of each day')
        need_equal(m.processed(group, 'shadow'), total, 'rows of the shadow')
    as_wanted()
    need_equal(m.repair(away), dropped, 'copies that a repair finds missing')
    m.wait_report_equal()
    as_wanted()  # nothing twice
    need_equal(m.ledger()['gap'], 0, 'gaps at the end')
    s.say(f'{dropped} numbers explained, fetched once, and repaired')


def main():
    outage = sys.argv[sys.argv.index('--outage') + 1]
    with Scenario(f'rocketmq_outage_{outage}') as s:
        if outage in ('bound', 'bound_kafka'):
            bound(s, 'kafka' if outage == 'bound_kafka' else 'rocketmq')
        else:
            below(s, outage)


main()
