"""Load on a real RocketMQ whose broker is killed and restarted.

    rmq_load.py [--seconds 60] [--restarts 2]

What was reported done is in the log, what was reported not done is not, ordered lanes keep their
order, memory comes back to its start; the time from the broker's port answering to the first
success is printed. The broker flushes asynchronously: SIGKILL leaves its data in the page cache.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'scenario'))
from harness import BUILD, RealBrokers, Scenario, need, need_equal  # noqa: E402

LOAD = BUILD / 'tests' / 'rmq_load'
QUEUES, RATE = 4, 5000
AWAY_SECONDS = (1, 7, 3)     # shorter and longer than the messages' deadline of 5 s
SETTLE_SECONDS = 20          # after the last restart, at least
RESIDENT_KIB = 24 * 1024     # what the process may keep beyond its start


def port_of_broker(brokers):
    for line in brokers.run('status').splitlines():
        words = line.split()
        if words and words[0] == 'broker':
            for word in words:
                if word.startswith('127.0.0.1:') or word.isdigit() and int(word) > 1024 and \
                        words[words.index(word) - 1] == 'port':
                    return word if ':' in word else f'127.0.0.1:{word}'
    raise SystemExit('no broker in: ' + brokers.run('status'))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--seconds', type=int, default=60)
    parser.add_argument('--restarts', type=int, default=2)
    asked = parser.parse_args()
    with Scenario('rmq_load', argv=['--brokers', 'real'], brokers=False) as s:
        s.brokers = brokers = RealBrokers(s)
        topic = f'load-{s.mark}'
        load = subprocess.Popen(
            [LOAD, brokers.namesrv, port_of_broker(brokers), topic, str(QUEUES), str(RATE)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            begun = time.monotonic()
            for n in range(asked.restarts):
                # kills are spread over the time; this is the pace of the load, not a wait
                until = begun + asked.seconds * (n + 0.5) / asked.restarts
                while time.monotonic() < until:
                    need(load.poll() is None, 'rmq_load ended', '')
                    time.sleep(0.1)
                brokers.touched = True
                brokers.run('kill', 'broker')
                time.sleep(AWAY_SECONDS[n % len(AWAY_SECONDS)])
                brokers.run('start', 'broker')
            # on a slow machine the last start alone may take longer than the time asked for
            until = max(begun + asked.seconds, time.monotonic() + SETTLE_SECONDS)
            while time.monotonic() < until:
                time.sleep(0.1)
            out, err = load.communicate(timeout=300)  # the end of stdin ends it
        finally:
            if load.poll() is None:
                load.kill()
        lines = out.splitlines()
        for line in lines:
            s.say(line)
        need(lines and lines[-1].startswith('{'), 'rmq_load', err[-1500:])
        result = json.loads(lines[-1])
        need_equal({k: result[k] for k in ('missing', 'extra', 'inversions')},
                   {'missing': 0, 'extra': 0, 'inversions': 0}, 'what the log says')
        need_equal(load.returncode, 0, 'exit of rmq_load: ' + err[-500:])
        need_equal(result['outages'], asked.restarts, 'outages that it saw end')
        need(result['done'] > asked.seconds * RATE / 10, 'messages done', result['done'])
        need(result['not_done'] + result['in_doubt'] > 0, 'no message met an outage', result)
        grown = result['resident_after_kib'] - result['resident_before_kib']
        need(grown < RESIDENT_KIB, 'memory did not come back', f'{grown} KiB more')


if __name__ == '__main__':
    main()
