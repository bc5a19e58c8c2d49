"""A consumer group of Java and our members, on a real broker.

Queues are shared without gap or overlap through joins, leaves and kills, by each strategy; what
is refused is retried and ends in the dead letters; orderly members keep each queue's order;
mqadmin lists our members and resets their offsets.

    group.py [--rocketmq 5.3.3] [PART...]    parts: sharing, dead_letters, ordered, administered
"""
import subprocess
import sys
import threading
import time

from peers import MEMBER, Message, interop, need, need_equal
from harness import wait_for

QUEUES = 8


class Member:
    """A process that is a member; what it printed."""

    def __init__(self, group, kind, name, mode, fails, attempts):
        self.kind, self.name, self.got, self.queues, self.lines = kind, name, [], None, []
        words = [group.peers.namesrv, group.topic, group.name, name, group.strategy, mode, str(fails),
                 str(attempts)]
        command = [str(MEMBER), *words] if kind == 'c' else group.peers.java('Member', *words)
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        threading.Thread(target=self.read, daemon=True).start()
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            words = line.split()
            if words and words[0] == 'got':
                self.got.append((int(words[1]), int(words[2]), int(words[3]), words[4]))
            elif words and words[0] == 'queues':
                self.queues = {int(w) for w in words[1:]}
            self.lines.append(line.strip())

    def ask(self):
        self.queues = None
        self.process.stdin.write('queues\n')
        self.process.stdin.flush()
        return wait_for(lambda: self.queues is not None and [self.queues],
                        f'{self.name} says its queues')[0]

    def stop(self):
        self.process.stdin.write('stop\n')
        self.process.stdin.flush()
        need_equal(self.process.wait(timeout=60), 0, f'{self.name} stops')

    def kill(self):
        self.process.kill()
        self.process.wait()


class Group:
    def __init__(self, s, peers, name, strategy='average', mode='concurrent', fails=0, attempts=16):
        self.s, self.peers = s, peers
        self.topic, self.name, self.strategy = f'{s.mark}-{name}', f'{s.mark}-{name}-group', strategy
        self.mode, self.fails, self.attempts = mode, fails, attempts
        self.members, self.gone, self.sent = [], [], 0
        self.shares, self.since = None, 0.0
        peers.topic(self.topic, QUEUES)

    def join(self, kind, name):
        self.members.append(Member(self, kind, name, self.mode, self.fails, self.attempts))

    def leave(self, name, kill=False):
        member = next(m for m in self.members if m.name == name)
        self.members.remove(member)
        self.gone.append(member)
        if kill:
            member.kill()
        else:
            member.stop()

    def division(self):
        """Queues of each member, as both clients divide them: members in the order of their names."""
        names = sorted(m.name for m in self.members)
        if self.strategy == 'circle':
            return {name: set(range(at, QUEUES, len(names))) for at, name in enumerate(names)}
        least, more = divmod(QUEUES, len(names))
        sizes = [least + (at < more) for at in range(len(names))]
        return {name: set(range(sum(sizes[:at]), sum(sizes[:at + 1])))
                for at, name in enumerate(names)}

    def settled(self):
        shares = {m.name: set(m.ask()) for m in self.members}
        if self.strategy != 'hash':
            return shares == self.division()
        # on the way from one division to the next there may be moments in which each queue has
        # one reader, too: it has to stay
        whole = (sum(map(len, shares.values())) == QUEUES
                 and set().union(*shares.values()) == set(range(QUEUES)))
        if not whole or shares != self.shares:
            self.shares, self.since = shares if whole else None, time.monotonic()
        return whole and time.monotonic() - self.since > 3

    def settle(self):
        wait_for(self.settled, f'{[m.name for m in self.members]} share {QUEUES} queues', timeout=60)

    def send(self, count, prefix='', sender='c'):
        self.peers.send(sender, self.topic, 'senders',
                        [Message((self.sent + n) % QUEUES, f'{prefix}{self.sent + n}'.encode())
                         for n in range(count)])
        first, self.sent = self.sent, self.sent + count
        return [f'{prefix}{n}' for n in range(first, self.sent)]

    def times(self, members=None):
        counted = {}
        for member in members or self.members + self.gone:
            for _, _, _, body in list(member.got):
                counted[body] = counted.get(body, 0) + 1
        return counted

    def need_all(self, bodies, exactly_once):
        wait_for(lambda: all(self.times().get(b, 0) > 0 for b in bodies), 'every message is handled',
                 timeout=60)
        if exactly_once:
            need_equal({b for b in bodies if self.times()[b] != 1}, set(), 'handled more than once')

    def end(self):
        for member in list(self.members):
            self.leave(member.name)


def sharing(s, peers):
    for strategy in ('average', 'circle', 'hash'):
        group = Group(s, peers, strategy, strategy)
        steps = [('join', 'c', 'm2'), ('join', 'java', 'm1'), ('join', 'c', 'm4'), ('leave', 'm2'),
                 ('kill', 'm4'), ('join', 'c', 'm0')]
        if strategy == 'average':
            steps += [('join', 'java', 'm3'), ('kill', 'm1'), ('leave', 'm0'), ('join', 'c', 'm5'),
                      ('leave', 'm3')]
        for step in steps:
            if step[0] == 'join':
                group.join(*step[1:])
            else:
                group.leave(step[1], kill=step[0] == 'kill')
            # sent while queues change hands: handled, a few maybe twice; when they have settled:
            # once
            moving = group.send(40)
            group.settle()
            group.need_all(moving, False)
            group.need_all(group.send(80), True)
        s.say(f'{strategy}: {len(steps)} changes, {group.sent} messages')
        group.end()


def dead_letters(s, peers):
    group = Group(s, peers, 'retry', fails=2, attempts=16)
    group.join('c', 'r1')
    group.join('java', 'r2')
    group.settle()
    bad, good = group.send(16, 'bad'), group.send(16)
    group.need_all(good, True)
    wait_for(lambda: all(group.times().get(b, 0) >= 3 for b in bad), 'the third attempt is taken',
             timeout=60)
    group.end()
    for name, members, sender, reader in (('dead', ('c', 'java'), 'c', 'c'),
                                          ('dead-c', ('c',), 'java', 'java'),
                                          ('dead-java', ('java',), 'c', 'c')):
        group = Group(s, peers, name, fails=100, attempts=1)
        for n, kind in enumerate(members):
            group.join(kind, f'd{n}')
        group.settle()
        bad = group.send(16, 'bad', sender)
        wait_for(lambda: all(group.times().get(b, 0) >= 2 for b in bad), 'attempts', timeout=60)
        # the refusal that makes it a dead letter, and its topic, comes a moment later
        letters = wait_for(
            lambda: peers.receive(reader, f'%DLQ%{group.name}', 'undertakers', 16), 'letters', timeout=60)
        need_equal(sorted(m.body.decode() for m in letters), sorted(bad), 'dead letters')
        need_equal({m.properties.get('RETRY_TOPIC') for m in letters}, {group.topic}, 'their topic')
        group.end()
    s.say('16 retried, 3 times 16 dead letters')


def in_order(got):
    """Of each queue, offsets never go back but where the queue changed hands."""
    last, back = {}, 0
    for queue, offset, _, _ in got:
        back += offset <= last.get(queue, -1)
        last[queue] = offset
    return back


def ordered(s, peers):
    group = Group(s, peers, 'orderly', mode='orderly', fails=2)
    for kind, name in (('c', 'o1'), ('java', 'o2'), ('c', 'o3')):
        group.join(kind, name)
        moving = group.send(80)
        group.settle()
        group.need_all(moving, False)
        group.need_all(group.send(160, sender=kind), True)
    group.leave('o1')
    moving = group.send(80)
    group.settle()
    group.need_all(moving, False)
    bad = group.send(8, 'bad')
    behind = group.send(8)
    group.need_all(bad + behind, False)
    for member in group.members:
        if member.kind == 'c':
            need_equal(in_order([g for g in member.got if not g[3].startswith('bad')]), 0,
                       f'offsets that went back at {member.name}')
    # what stands behind a refused message came after it was taken
    for member in group.members:
        order = [body for _, _, _, body in member.got]
        for b, g in zip(bad, behind, strict=True):
            if b in order:
                last_bad = len(order) - 1 - order[::-1].index(b)
                need(g in order and order.index(g) > last_bad, 'behind a refused message', b, g)
    s.say(f'orderly: {group.sent} messages')
    group.end()


def administered(s, peers):
    group = Group(s, peers, 'admin')
    group.join('c', 'a1')
    group.settle()
    group.need_all(group.send(40), True)
    text = peers.mqadmin('consumerConnection', '-g', group.name)
    need('a1' in text and 'CPP' in text and 'CONSUME_PASSIVELY' in text, 'consumerConnection', text)
    client = next(w for w in text.split() if w.endswith('@a1'))
    text = peers.mqadmin('consumerStatus', '-g', group.name, '-i', client)
    need('#Consumer Subscription#' in text and group.topic in text, 'consumerStatus', text)
    peers.mqadmin('resetOffsetByTime', '-g', group.name, '-t', group.topic,
                  '-s', '0', '-f', 'true')
    wait_for(lambda: all(group.times().get(str(n), 0) >= 2 for n in range(40)),
             'a reset makes it read again', timeout=60)
    group.end()
    s.say('listed, described and reset by mqadmin')


def main():
    parts = {'sharing': sharing, 'dead_letters': dead_letters, 'ordered': ordered,
             'administered': administered}
    with interop('interop_group') as (s, peers):
        for name in sys.argv[1:] or parts:
            parts[name](s, peers)


if __name__ == '__main__':
    main()
