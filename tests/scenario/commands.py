"""Commands: the shapes of their JSON, their exit codes, and what they refuse."""
import json
import re

import expected
from harness import FLIGHTS, Scenario, need, need_equal, wait_for

REPORT_ROW = ['day', 'topic', 'group', 'side', 'issued', 'stored', 'duplicates', 'unresolved']
REPORT_GROUP = ['day', 'topic', 'group', 'side', 'read', 'live', 'shadow', 'failed', 'duplicates']
LEDGER = ['dropped', 'refused', 'cancelled', 'isolated', 'purged', 'late', 'fetched', 'foreign',
          'duplicate', 'in_doubt', 'gap']


def need_keys(value, keys, what):
    need_equal(list(value), keys, what)


def need_status(m):
    status = m.status()
    need_keys(status, ['migration', 'routes', 'instances', 'ledger'], 'status')
    need_equal(status['migration'], m.name, 'migration')
    need_keys(status['ledger'], LEDGER, 'ledger')
    for route in status['routes']:
        need_keys(route, ['topic', 'step', 'write', 'groups', 'gates'], 'route')
        for group in route['groups']:
            need_keys(group, ['group', 'live', 'lag', 'keeper', 'state'], 'group')
            need_keys(group['live'], ['kafka', 'rocketmq'], 'live')
            need_keys(group['lag'], ['live', 'shadow'], 'lag')
            need_keys(group['keeper'], ['live', 'shadow'], 'keeper')
            need(group['state'] in ('starting', 'running', 'holding'), 'state', group)
        for gate in route['gates']:
            need_keys(gate, ['name', 'holds', 'value', 'need', 'why'], 'gate')
            need(isinstance(gate['value'], str) and isinstance(gate['need'], str), 'gate', gate)
    for instance in status['instances']:
        need_keys(instance, ['name', 'role', 'plan', 'alive', 'journal', 'breaker', 'in_doubt',
                             'dropped'], 'instance')
        need_keys(instance['journal'], ['messages', 'bytes', 'oldest_s'], 'journal')
        need_keys(instance['breaker'], ['kafka', 'rocketmq'], 'breaker')
    return status


def need_moved(got, steps, dry_run=False):
    need_keys(got, ['steps', 'refused', 'dry_run'], 'what a command gives')
    for step in got['steps']:
        need_keys(step, ['topic', 'group', 'from', 'to'], 'step')
    for refusal in got['refused']:
        need_keys(refusal, ['gate', 'why', 'value', 'need'], 'refused')
    need_equal([(s['group'], s['from'], s['to']) for s in got['steps']], steps, 'steps')
    need_equal(got['dry_run'], dry_run, 'dry_run')


def chained(s, m):
    """A made-up file: the real one has no aircraft that leaves from where it arrived."""
    header = FLIGHTS.read_text().partition('\n')[0]
    rows = []
    for n, (tail, origin, dest) in enumerate((
            ('N1', 'JFK', 'LGA'), ('N2', 'EWR', 'BOS'), ('N1', 'LGA', 'EWR'), ('NA', 'JFK', 'LGA'),
            ('N1', 'EWR', 'JFK'), ('N2', 'EWR', 'BOS'), ('N1', 'EWR', 'LGA'), ('N2', 'BOS', 'EWR'))):
        delay = 'NA' if n == 3 else str(n - 4)
        dep = 'NA' if n == 3 else '517'
        rows.append(f'2013,1,{n + 1},{dep},515,{delay},830,819,11,UA,{n},{tail},{origin},{dest},'
                    f'227,1400,5,15,2013-01-{n + 1:02d} 10:00:00')
    path = s.folder / 'chained.csv'
    path.write_text(header + '\n' + '\n'.join(rows) + '\n')
    m.producer('p', source=path).need_exit(0)
    wanted = expected.from_csv(path)
    need(sum(row[5] for row in wanted.last_seen) > 0, 'the made-up file has chains')
    m.wait_processed(8)
    for role in ('live', 'shadow'):
        m.need_tables(m.groups[0], role, wanted)


def main():
    with Scenario('commands') as s:
        m = s.migration(['carrier-stats', 'audit'])
        first, second = m.groups

        need(re.match(r'duet \d+\.\d+\.\d+', s.run([m.command('x')[0], '--version']).need(0).out),
             '--version')
        need_equal(m.duet('--help').code, 0, '--help')
        need_equal(m.duet('status', '--help').code, 0, 'status --help')

        # before there is a plan
        error = m.json('status', code=2)
        need(set(error) >= {'error', 'where'} and 'plan init' in error['error'], 'no plan', error)

        # plan init: once, again, changed
        m.init()
        key = m.folder / f'{m.name}.keys'
        need_equal(key.stat().st_mode & 0o777, 0o600, 'mode of the key file')
        text = key.read_bytes()
        m.init()
        need_equal(key.read_bytes(), text, 'the key file stays')
        need(m.groups[0] in m.duet('plan', 'show').need(0).out, 'plan show names the groups')
        m.json('plan', 'show')
        m.write_config(groups=m.groups[0])
        changed = m.duet('plan', 'init')
        need(changed.code == 2 and second in changed.err, 'a changed plan', changed.err)
        m.json('plan', 'diff', code=1)  # a difference was found
        m.write_config(partitions=6)
        need_equal(m.duet('plan', 'init').code, 2, 'plan init with other partitions')
        m.write_config()
        m.init()

        status = need_status(m)
        need_equal([(r['step'], r['write']) for r in status['routes']], [('planned', 'kafka')],
                   'at first')
        need_equal(m.group(first)['live'], {'kafka': [0, 1, 2, 3], 'rocketmq': []}, 'live')

        # wrong usage
        for words in (('nonsense',), ('status', '--nonsense'), ('advance', '--force'),
                      ('advance', '--reason', 'x'), ('advance', '--partitions', '4'),
                      ('advance', '--partitions', 'x'), ('advance', '--partitions', '101%'),
                      ('advance', '--group', 'nobody'), ('advance', '--route', 'nowhere'),
                      ('rollback', '--to', 'nowhere'), ('rollback', '--direct'),
                      ('rollback', '--kill-holder'), ('compare', '--group', 'nobody'),
                      ('report', '--from', '2013-01-03', '--to', '2013-01-02')):
            result = m.duet(*words)
            need(result.code == 2 and result.err.strip(), f'{words} exits 2', result.code,
                 result.err)
            error = m.duet(*words, '--json')
            need(error.code == 2 and 'error' in error.json, f'{words} --json', error.out)

        # steps, with nobody there
        need_moved(m.json('advance', '--dry-run'), [(None, 'planned', 'dual-write')], True)
        need_equal(m.step(), 'planned', 'after a dry run')
        need_moved(m.json('advance'), [(None, 'planned', 'dual-write')])
        need_equal((m.step(), m.route()['write']), ('dual-write', 'kafka+rocketmq'), 'step')
        consumers = [m.consumer(group) for group in m.groups]
        wait_for(lambda: len([i for i in m.status()['instances'] if i['alive']]) == 2,
                 'both consumers to be known')
        need_moved(m.json('advance', '--route', m.topic), [(None, 'dual-write', 'dual-read')])
        wait_for(lambda: all(m.group(g)['state'] == 'running' for g in m.groups), 'both to run')
        chained(s, m)
        m.wait_processed(8)
        report = m.wait_report_equal()
        need_equal(list(report), ['migration', 'days', 'equal'], 'report')
        for row in report['days']:
            need_keys(row, REPORT_ROW if row['group'] is None else REPORT_GROUP, 'row of report')
        need_equal({row['day'] for row in report['days']},
                   {f'2013-01-{n:02d}' for n in range(1, 9)}, 'days')
        part = m.report('--from', '2013-01-03', '--to', '2013-01-05')
        need_equal({row['day'] for row in part['days']},
                   {f'2013-01-{n:02d}' for n in range(3, 6)}, 'days from and to')
        need('2013-01-03' in m.duet('report', '--daily', '--csv').need(0).out, 'report --csv')
        need('2013-01-03' in m.duet('report', '--daily').need(0).out, 'report for people')

        # parts of a switch
        need_moved(m.json('advance', '--group', first, '--partitions', '25%'),
                   [(first, 'dual-read', 'switching')])
        need_equal(m.group(first)['live'], {'kafka': [1, 2, 3], 'rocketmq': [0]}, first)
        need_equal(m.step(), 'switching', 'step')
        m.json('advance', '--group', first, '--partitions', '2,3')
        need_equal(m.group(first)['live'], {'kafka': [1], 'rocketmq': [0, 2, 3]}, first)
        m.json('rollback', '--group', first, '--partitions', '0')
        need_equal(m.group(first)['live'], {'kafka': [0, 1], 'rocketmq': [2, 3]}, first)
        m.json('advance', '--group', second)
        need_equal(m.group(second)['live'], {'kafka': [], 'rocketmq': [0, 1, 2, 3]}, second)
        need_equal(m.step(), 'switching', 'step')
        m.json('advance')
        need_equal(m.step(), 'switched', 'step')
        # a switch is no new start: who has just been switched runs
        need_equal([g['state'] for g in need_status(m)['routes'][0]['groups']],
                   ['running', 'running'], 'state after a switch')
        # at switched: the next step is `finish`
        beyond = m.duet('advance')
        need(beyond.code == 1 and 'duet finish' in beyond.out + beyond.err, 'at switched',
             beyond.out, beyond.err)
        need_equal(m.duet('advance', '--json').code, 1, 'at switched, --json')

        # a gate that does not hold: a consumer that is dead has not confirmed the plan
        m.json('rollback')
        need_equal(m.step(), 'dual-read', 'step')
        good = consumers[1].terminate()
        need_equal(good, 0, 'exit of a consumer')
        m.write_config(gates='{preset: test, dual_write_min_s: 100000}')
        refused = m.duet('advance', '--json')
        need_equal(refused.code, 1, 'refused')
        need_moved(refused.json, [])
        gate = refused.json['refused'][0]
        need(gate['why'] and gate['need'], 'why it is refused', gate)
        need_equal(m.step(), 'dual-read', 'after a refusal')
        forced = m.json('advance', '--group', first, '--force', '--reason', 'for the test')
        need(forced['refused'], 'a forced step names the gates it overrode')
        m.write_config()
        need_equal(m.step(), 'switching', 'step')

        # a member that is away: the command says who, the wish stays and is completed later
        late = m.duet('rollback', '--to', 'dual-write', '--wait', '2', '--json')
        need(late.code in (0, 1), 'rollback with a group away', late.out, late.err)
        consumers[1] = m.consumer(second)
        m.json('rollback', '--to', 'dual-write')
        need_equal(m.step(), 'dual-write', 'step')
        m.json('rollback', '--to', 'planned')
        need_equal((m.step(), m.route()['write']), ('planned', 'kafka'), 'step')

        # compare: equal, then one row is changed by hand
        m.advance_to('dual-read')
        compared = m.json('compare')
        need_keys(compared, ['tables', 'equal'], 'compare')
        need_equal(sorted((t['group'], t['table']) for t in compared['tables']),
                   sorted((g, t) for g in m.groups for t in ('carrier_day', 'last_seen')),
                   'tables')
        for table in compared['tables']:
            need_keys(table, ['group', 'table', 'rows_live', 'rows_shadow', 'only_live',
                              'only_shadow', 'different', 'sample'], 'table')
        for consumer in consumers:
            consumer.terminate()
        import sqlite3
        with sqlite3.connect(m.sink(first) / 'shadow.db') as database:
            database.execute("UPDATE last_seen SET legs = legs + 1 WHERE tailnum = 'N1'")
            database.execute("DELETE FROM last_seen WHERE tailnum = 'N2'")
        database.close()
        wrong = m.json('compare', '--group', first, '--tables', 'last_seen', code=1)
        need_equal(len(wrong['tables']), 1, 'tables')
        table = wrong['tables'][0]
        need_equal((table['only_live'], table['only_shadow'], table['different'], wrong['equal']),
                   (1, 0, 1, False), 'compare after a change by hand')
        need('N1' in json.dumps(table['sample']), 'the sample shows it', table)
        need_equal(m.duet('compare', '--group', first).code, 1, 'compare for people')


main()
