"""Bad input gives the clear error and the exit code, and a ledger entry where a message is
concerned."""
import json
import os
import re
import socket
import subprocess

import expected
from harness import (FLIGHTS, EXAMPLES, Scenario, limit_file_size, need, need_equal, wait_for)

# what is wrong, how the good file is changed, what the sentence must name besides the file
CONFIGS = [
    ('unknown key', lambda t: t + 'colour: red\n', r':\d+:.*colour'),
    ('unknown key in a section', lambda t: t.replace('timezone: UTC', 'timezoom: UTC'),
     r':\d+:.*timezoom'),
    ('wrong type', lambda t: t.replace('partitions: 4', 'partitions: many'), r':\d+:.*many'),
    ('out of range', lambda t: t.replace('partitions: 4', 'partitions: 0'), r':\d+:.*0'),
    ('wrong zone', lambda t: t.replace('timezone: UTC', 'timezone: Mars/Base'), r':\d+:.*Mars'),
    ('wrong preset', lambda t: t.replace('preset: test', 'preset: perhaps'), r':\d+:.*perhaps'),
    ('no YAML', lambda t: t + 'routes: [\n', r':\d+:'),
    ('not a mapping', lambda t: '- a\n- b\n', r':\d+:'),
    ('empty', lambda t: '', r''),
    ('key twice', lambda t: t + 'migration: other\n', r':\d+:.*migration'),
    ('no routes', lambda t: t[:t.index('routes:')], r'routes'),
    ('topic twice', lambda t: t + t[t.index('  - topic:'):], r':\d+:'),
    ('group twice', lambda t: re.sub(r'groups: \[(.*)\]', r'groups: [\1, \1]', t), r':\d+:'),
    ('store of unknown kind', lambda t: t.replace('sqlite:duet.db', 'oracle:x'), r':\d+:.*oracle'),
    ('a secret in the store', lambda t: t.replace('sqlite:duet.db', 'postgresql://u:pw@h/d'),
     r':\d+:'),
    ('a server, which comes later', lambda t: 'server: https://host:8443\n' + t,
     r':1:.*server.*later'),
    ('Kafka property that is duet\'s', lambda t: t.replace(
        'kafka: {', 'kafka: {enable.idempotence: "false", '), r'enable\.idempotence'),
    ('Kafka property that is none', lambda t: t.replace('kafka: {', 'kafka: {no.such: "1", '),
     r'no\.such'),
    ('name server without a port', lambda t: re.sub(r'namesrv: "[^"]*"', 'namesrv: "host"', t),
     r':\d+:.*host'),
]

HEADER = FLIGHTS.read_text().partition('\n')[0]
ROW = ('2013,1,1,517,515,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,'
       '2013-01-01T10:00:00Z')

# what is wrong, the lines of the file, the line that is to be named, what the sentence has
FILES = [
    ('too few columns', [HEADER, ROW, ROW.rpartition(',')[0]], 3, '18 columns'),
    ('too many columns', [HEADER, ROW + ',1'], 2, '20 columns'),
    ('no number', [HEADER, ROW, ROW, ROW.replace(',227,', ',far,')], 4, "air_time is 'far'"),
    ('no time', [HEADER, ROW.replace('T10:', 'T25:')], 2, 'time_hour'),
    ('no such date', [HEADER, ROW.replace('2013-01-01T', '2013-02-30T')], 2, 'time_hour'),
    ('no carrier', [HEADER, ROW.replace('UA', '')], 2, 'carrier'),
    ('an empty line', [HEADER, ROW, '', ROW], 3, '1 columns'),
    ('quotes', [HEADER, ROW.replace('EWR', '"EWR"')], 2, 'quote'),
    ('no header', [ROW], 1, 'year'),
    ('another file', ['a,b,c', '1,2,3'], 1, 'header'),
]


def configurations(s, m):
    good = m.config.read_text()
    for what, change, sentence in CONFIGS:
        m.config.write_text(change(good))
        result = m.duet('plan', 'init')
        need(result.code == 2, f'{what}: exit 2', result.code, result.err)
        need(re.search(sentence, result.err) and 'duet.yaml' in result.err, f'{what}: sentence',
             result.err)
        error = m.duet('status', '--json')
        need(error.code == 2 and set(error.json) == {'error', 'where'}, f'{what}: --json',
             error.out)
    m.config.write_text(good)
    m.config.chmod(0)
    if os.getuid() != 0:  # root reads everything
        need_equal(m.duet('status').code, 2, 'unreadable configuration')
    m.config.chmod(0o644)
    need_equal(s.run([*m.command('status')[:-1], '/nowhere/duet.yaml']).code, 2, 'no such file')
    need_equal(s.run([*m.command('status')[:-1], s.folder]).code, 2, 'a folder')
    need(not (m.folder / 'duet.db').exists(), 'nothing was created')


def unreachable(s, m):
    """No broker there, no name server there: exit 3, within the time of a patient person."""
    good = m.config.read_text()
    with socket.socket() as taken:  # bound, not listening: nobody answers
        taken.bind(('127.0.0.1', 0))
        nobody = f'127.0.0.1:{taken.getsockname()[1]}'
        for what in ('bootstrap.servers', 'namesrv'):
            m.config.write_text(re.sub(rf'{re.escape(what)}: "[^"]*"', f'{what}: "{nobody}"', good))
            result = m.duet('plan', 'init')
            need(result.code == 3 and result.err.strip(), f'{what}: exit 3', result.code,
                 result.err)
    m.config.write_text(good)
    broken = m.folder / 'broken.db'
    broken.write_bytes(b'this is no database ' * 400)
    m.write_config(store='sqlite:broken.db')
    result = m.duet('status')
    need(result.code in (3, 5) and 'broken.db' in result.err, 'a store that is none', result.code,
         result.err)
    m.config.write_text(good)


def producers(s, m):
    for what, lines, number, sentence in FILES:
        path = s.folder / 'broken.csv'
        path.write_text('\n'.join(lines) + '\n')
        process = m.producer('p', source=path).need_exit(2)
        need(f'{path}:{number}: ' in process.err() and sentence in process.err(), what,
             process.err())
    m.producer('p', source='/nowhere.csv').need_exit(2)
    m.producer('p', source=s.folder).need_exit(2)
    for words in ((), ('--config', m.config), ('--nonsense',),
                  ('--config', m.config, '--input', FLIGHTS, '--name', 'p', '--shard', '2/2'),
                  ('--config', m.config, '--input', FLIGHTS, '--name', 'p', '--rate', '0')):
        result = s.run([EXAMPLES / 'flights_producer', *words])
        need(result.code == 2 and result.err, f'producer {words}', result.code, result.err)
        result = s.run([EXAMPLES / 'flights_consumer', *words[:4]])
        need(result.code == 2 and result.err, f'consumer {words[:4]}', result.code, result.err)
    m.producer('../p', source=FLIGHTS).need_exit(2)
    unknown = s.start('unknown-topic', [EXAMPLES / 'flights_producer', '--config', m.config,
                                        '--input', FLIGHTS, '--name', 'p', '--topic', 'nowhere'])
    unknown.need_exit(2)
    need('nowhere' in unknown.err(), 'the unknown topic is named', unknown.err())
    group = m.consumer('nobody').need_exit(2)
    need('nobody' in group.err(), 'the unknown group is named', group.err())


def names(s, m):
    """One process per name, one name per group; after a kill -9 at once again."""
    group = m.groups[0]
    consumer = m.consumer(group, name='one')
    wait_for(lambda: m.group(group)['state'] == 'running', 'the consumer')
    second = m.consumer(group, name='one').need_exit(2)
    need('one' in second.err(), 'the name is named', second.err())
    third = m.consumer(group, name='two', sink=s.folder / 'other').need_exit(2)
    need('one' in third.err(), 'the holder is named', third.err())
    consumer.kill9()
    consumer = m.consumer(group, name='one')
    running = m.producer('busy', rate=50)
    wait_for(lambda: m.next_row('busy') > 0, 'the producer')
    second = m.producer('busy', rate=50).need_exit(2)
    need('busy' in second.err(), 'the name is named', second.err())
    # a signal: cut short, resumable, said so
    need_equal(running.terminate(), 4, 'exit after SIGTERM')
    line = running.last_json()
    need_equal((line['done'], line['rows']), (line['next_row'], line['next_row']), 'last line')
    wait_for(lambda: m.processed(group) == line['rows'], 'its rows')
    # resumed with another share: the position means nothing there
    m.producer('busy', resume=True, shard='0/2').need_exit(2)
    need_equal(m.processed(group), line['rows'], 'rows after the refusal')
    return consumer, line['rows']


def stamps(s, m, before):
    """What carries no right stamp is processed live as unstamped, counted and listed."""
    group = m.groups[0]
    value = json.dumps(dict(zip(HEADER.split(','), ROW.split(','))))
    value = re.sub(r'"(-?\d+)"', r'\1', value)
    real = m.log('kafka')[0]
    foreign = m.ledger()['foreign']
    damaged = '01' + '01' + '0000' + 'deadbeef' + real['id'] + '00000000' + '0000'
    for stamp in ('00', damaged, 'ff' * 28):
        m.put('kafka', 1, value, key='N14228', stamp=stamp)
    wait_for(lambda: m.processed(group) == before + 3, 'the live effects of foreign records')
    wait_for(lambda: m.ledger()['foreign'] >= foreign + 3, 'the ledger to list them', 15)
    # and one on the other side, which the live role only looks at
    m.put('rocketmq', 1, value, key='N14228', stamp='A' * 38)
    wait_for(lambda: m.ledger()['foreign'] >= foreign + 4, 'the ledger to list that of RocketMQ', 15)
    ids = {r['id'] for r in m.log('kafka') if r['verdict'] != 'ok'}
    need_equal(len(ids), 3, 'foreign records in the log')
    # a message that is no flight is given up, listed, and does not hold up what follows
    isolated = m.ledger()['isolated']
    m.put('kafka', 2, 'this is no JSON', key='N14228')
    m.put('kafka', 2, value, key='N14228')
    wait_for(lambda: m.processed(group) == before + 4, 'the row behind a bad message')
    wait_for(lambda: m.ledger()['isolated'] == isolated + 1, 'the ledger to list it', 15)
    report = m.report()
    need_equal(report['equal'], False, 'equal, with a message given up')
    need_equal(sum(r['failed'] for r in report['days'] if r['group'] == group), 1, 'failed')


def brokers_gone(s, m):
    """Brokers that are away when a known name starts: said with exit 3, neither success nor a
    wait without end. The group has a state of its own by now, so nothing else stops it."""
    with socket.socket() as taken:  # bound, not listening: nobody answers
        taken.bind(('127.0.0.1', 0))
        nobody = f'127.0.0.1:{taken.getsockname()[1]}'
        m.write_config(kafka=nobody, extra='producer: {timeout_ms: 1500}')
        process = m.producer('gone').need_exit(3, 30)
        need('kafka' in process.err().lower(), 'the producer names the side', process.err())
        line = process.last_json()
        need_equal((line['done'], line['next_row']), (0, 0), 'nothing was acknowledged')
        need(line['in_doubt'] > 0, 'what was handed over is in doubt', line)
        process = m.consumer(m.groups[0], name='one', until_idle=2).need_exit(3, 60)
        need('kafka' in process.err().lower(), 'the consumer names the side', process.err())
    m.write_config()


def disk_full(s):
    """The sink's disk is full: exit 5 and the sentence; with room again nothing is lost."""
    m = s.migration(['carrier-stats'], name='full', topic='full')
    group = m.groups[0]
    m.init()
    few = s.folder / 'few.csv'
    with open(FLIGHTS, encoding='ascii') as source:
        few.write_text(''.join(next(source) for _ in range(6001)))
    m.advance_to('dual-read')
    m.producer('p', source=few).need_exit(0)
    sink, options = m.sink(group), {}
    sink.mkdir()
    mounted = os.getuid() == 0 and subprocess.run(
        ['mount', '-t', 'tmpfs', '-o', 'size=300k', 'tmpfs', sink], check=False,
        stderr=subprocess.DEVNULL).returncode == 0
    try:
        if not mounted:
            options['prepare'] = limit_file_size(150000)
        full = m.consumer(group, **options).need_exit(5, 60)
        need(re.search('disk|full|space|large', full.err()), 'the sentence', full.err())
        s.say(f'full disk by {"mount" if mounted else "limit"}: '
              f'{full.err().strip().splitlines()[-1]}')
        need(m.processed(group) < 6000, 'it was full before the end')
        if mounted:
            subprocess.run(['mount', '-o', 'remount,size=100m', sink], check=True)
        consumer = m.consumer(group)
        m.wait_processed(6000)
        for role in ('live', 'shadow'):
            m.need_tables(group, role, expected.from_csv(few))
        consumer.terminate()
    finally:
        if mounted:
            subprocess.run(['umount', '-l', sink], check=False)


def main():
    with Scenario('bad_input', topics={'flights': 4, 'full': 4, 'three': 3}) as s:
        m = s.migration(['carrier-stats'])
        configurations(s, m)
        unreachable(s, m)
        early = m.producer('p').need_exit(2)
        need('plan init' in early.err(), 'no plan yet', early.err())

        # the topic is there with other partitions
        other = s.migration(['carrier-stats'], name='three', topic='three', partitions=3)
        other.init()
        wrong = s.migration(['carrier-stats'], name='again', topic='three', partitions=4)
        result = wrong.duet('plan', 'init')
        need(result.code == 2 and '3' in result.err and '4' in result.err,
             'other partition counts', result.code, result.err)

        m.init()
        m.advance_to('dual-write')
        producers(s, m)
        consumer, rows = names(s, m)
        stamps(s, m, rows)
        need_equal(consumer.terminate(), 0, 'exit of the consumer')
        brokers_gone(s, m)
        disk_full(s)


main()
