"""Lines in which a side, or what it has stored, goes away."""
import os
import re
import signal

import judge
from lines import IN_FLIGHT_MAX, Outcome, line
from world import World, need, need_equal, wait_for

SMALL = 'memory.max: 262144'


def pids(world):
    """Of the real brokers, by component."""
    return dict(re.findall(r'^(\w+)\s+\w+\s+pid (\d+)', world.scenario.brokers.run('status'), re.M))


class Away:
    """A side that is away while the block runs, and the proof that it was: by SIGKILL or SIGSTOP of
    real brokers, else by the network."""

    def __init__(self, world, side, how):
        self.world, self.side = world, side
        self.how = how if world.kind == 'real' else 'network'
        self.evidence = {}
        self.parts = ('kafka',) if side == 'kafka' else ('broker', 'namesrv')

    def __enter__(self):
        brokers = self.world.scenario.brokers
        if self.how == 'network':
            self.evidence[f'{self.side}_connections_cut'] = self.world.down(self.side)
            return self
        self.before = pids(self.world)
        brokers.touched = True
        brokers.run(self.how, *self.parts)
        if self.how == 'pause':
            stopped = sum(open(f'/proc/{self.before[p]}/stat').read().rpartition(')')[2].split()[0]
                          == 'T' for p in self.parts)
            self.evidence[f'{self.side}_processes_stopped'] = stopped
        return self

    def __exit__(self, *problem):
        brokers = self.world.scenario.brokers
        if self.how == 'network':
            self.world.up(self.side)
        elif self.how == 'pause':
            brokers.run('resume', *self.parts)
        else:
            brokers.run('start', *reversed(self.parts))
            after = pids(self.world)
            self.evidence[f'{self.side}_pids_changed'] = sum(after[p] != self.before[p]
                                                             for p in self.parts)


def how(run):
    return ('kill', 'pause')[run.seed % 2]


@line(2, 'one side down for minutes or hours', 'R1 R4 R8 R9', 'outage')
def side_down(run):
    """The secondary is away for longer than memory lasts: callbacks are the primary's alone, copies
    wait on disk, and go out in order when it is back. By turns RocketMQ and Kafka."""
    secondary, step = (('rocketmq', 'dual-write'), ('kafka', 'switched'))[run.repetition % 2]
    world = World(run.scenario, run.name, run.seed, producer=SMALL, step=step)
    count, rate = 6000, 2000
    feeder = world.feeder(count, rate=rate, size=200)
    feeder.wait_done(1000)
    with Away(world, secondary, how(run)) as away:
        feeder.wait_stat('spilled', 500)
        feeder.wait_done(count)
        resident = feeder.process.rss()
        spilled = feeder.stats['spilled']
    feeder.end()
    need_equal((feeder.stats['waits'], feeder.stats['dropped']), (0, 0), 'calls that waited, drops')
    need(resident < 100 << 20, 'resident bytes', resident)
    return Outcome(world, {**away.evidence, 'spilled': spilled}, world.account(),
                   copies_max=IN_FLIGHT_MAX, figures={'resident_mib': resident >> 20})


@line(5, 'broker fail-over', 'R1 R8 R10', 'outage')
def fail_over(run):
    """The primary goes away under load and comes back within the deadline; then the other side
    does. Nothing is told not done, nothing is lost."""
    step = ('dual-write', 'switched')[run.repetition % 2]
    world = World(run.scenario, run.name, run.seed, step=step,
                  kafka={'reconnect.backoff.max.ms': 200})
    feeder = world.feeder(3000, rate=600, timeout=60000)
    evidence = {}
    for n, side in enumerate(judge.SIDES if step == 'dual-write' else reversed(judge.SIDES)):
        feeder.wait_done(300 * (n + 1))
        with Away(world, side, how(run)) as away:
            told = feeder.told('accepted')
            feeder.wait(lambda f, n=n, t=told: f.told('accepted', 'calling') > t + 50 or n == 1
                        or f.stats['sent'], 'messages to wait for the primary')
        evidence.update(away.evidence)
    feeder.end()
    account = world.account()
    need_equal((account.not_done, account.in_doubt), (0, 0), 'not done, in doubt')
    return Outcome(world, evidence, account, copies_max=IN_FLIGHT_MAX * 2)


@line(6, 'acknowledged message lost by a broker', 'R3', 'outage', brokers=('memory',))
def lost_by_the_broker(run):
    """RocketMQ acknowledges copies and does not keep them, or forgets its newest ones in a restart:
    the report names exactly those. (A real broker that is killed loses nothing: its pages
    survive it.)"""
    world = World(run.scenario, run.name, run.seed)
    brokers, number = run.scenario.brokers, world.random.randint(1, 40)
    forgets = run.repetition % 2
    if not forgets:
        brokers.order(f'withhold {world.route.topic} {number}')
    feeder = world.feeder(1000, rate=2000)
    feeder.end()
    if forgets:
        brokers.order('restart lose')
    lost = {r['id'] for r in world.log('kafka')} - {r['id'] for r in world.log('rocketmq')}
    need(len(lost) == number or forgets, 'copies withheld', len(lost), number)
    named = set()

    def all_named():
        report = world.report()
        need(not report['equal'], 'the report is not equal')
        named.clear()
        for entry in report['ledger'] + report['missing']:
            if entry['side'] == 'rocketmq':
                named.update(judge.ids_of(entry))
        return lost <= named
    wait_for(all_named, 'every lost copy to be named', 20)
    need_equal(named - lost, set(), 'named, and there')
    account = world.account()
    need_equal(account.missing['rocketmq'], len(lost), 'missing copies')
    if not forgets:  # repaired under their ids, all is equal
        world.route.repair('rocketmq')
        wait_for(lambda: world.report()['equal'], 'an equal report after the repair', 20)
    return Outcome(world, {'copies_lost': len(lost)}, account, figures={'named': len(named)})


@line(21, 'change of primary, with a side that has died', 'R1 R7 R8', 'change')
def change_of_primary(run):
    """The plan makes the other side primary while the old one is dead (by turns: while the new one
    is), then back; a second producer is asleep meanwhile and learns of it late."""
    forward = run.repetition % 2 == 0
    dead = (('kafka', 'rocketmq')[not forward])
    world = World(run.scenario, run.name, run.seed, producer=SMALL,
                  step='dual-read' if forward else 'switched',
                  kafka={'reconnect.backoff.max.ms': 200})
    feeder = world.feeder(3000, rate=300, timeout=60000, size=200)
    sleeper = world.feeder(600, name='late', rate=200, timeout=60000)
    feeder.wait_done(400)
    sleeper.wait_done(100)
    sleeper.pause()
    change = ('advance' if forward else 'rollback', '--force', '--reason', 'a side is dead')
    with Away(world, dead, how(run)) as away:
        feeder.wait(lambda f: f.told('accepted') > 50, 'messages in doubt at the old primary')
        plan = feeder.stats['plan']
        # one does not hear of it, so the command cannot end in peace
        need_equal(world.route.duet(*change, '--wait', '1').code, 1, 'exit, with one asleep')
        feeder.wait(lambda f: f.stats['plan'] > plan and f.stats['moving'] == 0,
                    'the other side to become primary')
        sleeper.resume()
        sleeper.wait(lambda f: f.stats['plan'] > plan and f.stats['moving'] == 0,
                     'the late one to follow')
        world.route.duet(*change, '--wait', '20')  # what the first has left undone
        done = feeder.told('done')
        feeder.wait(lambda f: f.told('done') > done + 200, 'sends without the dead side')
    back = ('rollback',) if forward else ('advance', '--force', '--reason', 'back')
    world.route.duet(*back, '--wait', '20')
    feeder.wait(lambda f: f.stats['moving'] == 0, 'the way back')
    feeder.end()
    sleeper.end()
    account = world.account()
    need_equal((account.not_done, account.in_doubt), (0, 0), 'not done, in doubt')
    return Outcome(world, {**away.evidence, 'plans': feeder.stats['plan'] - plan}, account,
                   copies_max=IN_FLIGHT_MAX * 2,
                   figures={'to_rocketmq': int(forward), 'to_kafka': int(not forward)})
