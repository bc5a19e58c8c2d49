"""What is known to wreck a real broker, tried through librmq (rmq_traps.c): the broker stays healthy.

It says nothing of an index that it cannot write or a log that it cannot read, it serves on, and
after a restart it still has everything that was reported done.
"""
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'scenario'))
from harness import BUILD, RealBrokers, Scenario, need, need_equal  # noqa: E402

# what a broker says when it has stored something that it cannot read back. After each SIGKILL it
# finds the end of its log by an illegal magic code, and that is no harm.
WRECKED = re.compile(r'.*(?:dispatch message to consume queue error|found a half message|'
                     r'OutOfMemory|BufferOverflow|reput.*(?:exception|error)).*', re.I)


def main():
    with Scenario('rmq_traps', argv=['--brokers', 'real'], brokers=False) as s:
        s.brokers = brokers = RealBrokers(s)
        log = pathlib.Path(brokers.dir) / 'broker' / 'log'
        begin = log.stat().st_size
        program = subprocess.Popen([BUILD / 'tests' / 'rmq_traps', brokers.namesrv, f'traps-{s.mark}'],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        try:
            s.say(program.stdout.readline().strip())
            if program.poll() is None:
                brokers.touched = True
                brokers.run('kill', 'broker')
                brokers.run('start', 'broker')
            out, err = program.communicate('go on\n', timeout=200)
        finally:
            if program.poll() is None:
                program.kill()
        for line in out.splitlines():
            s.say(line)
        need_equal(program.returncode, 0, f'exit of rmq_traps: {err[-2000:]}')
        said = log.read_bytes()[begin:].decode(errors='replace')
        words = [match.group(0) for match in WRECKED.finditer(said)]
        need(not words, 'the broker says', '\n'.join(words[:10]))


if __name__ == '__main__':
    main()
