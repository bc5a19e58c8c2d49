"""A switch and a roll back take effect within two seconds, without a restart of anything."""
import time

from harness import SLOWER, Scenario, need, need_equal, unhurried, wait_for

TRIES = 3  # the best counts: others may be using this machine


def main():
    with Scenario('switch_speed') as s:
        m = s.migration(['carrier-stats', 'audit'])
        m.init()
        consumers = [m.consumer(group) for group in m.groups]
        m.advance_to('dual-read')
        producer = m.producer('p', rate=s.expected.rows / unhurried(16))
        wait_for(lambda: m.processed(m.groups[0], 'shadow') > 500, 'the stream to run')
        best = {}
        for words, side in ((('advance', '--force', '--reason', 'timed'), 'rocketmq'),
                            (('rollback',), 'kafka')) * TRIES:
            begin = time.monotonic()
            m.json(*words)
            took = time.monotonic() - begin
            best[words[0]] = min(took, best.get(words[0], took))
            s.say(f'{words[0]}: {took * 1000:.0f} ms')
            before = {g: m.processed(g) for g in m.groups}
            for group in m.groups:
                need_equal(m.group(group)['live'][side], [0, 1, 2, 3], f'{group} on {side}')
                wait_for(lambda g=group: m.processed(g) > before[g] or not producer.alive(),
                         f'{group} to go on from {side}', 10)
        for word, took in best.items():
            need(took < 2 * SLOWER, f'{word} within 2 s', f'{took:.2f} s')
        need(all(c.alive() for c in consumers), 'the consumers are the same processes')
        producer.need_exit(0)
        m.wait_processed(s.expected.rows)
        m.wait_report_equal()


main()
