"""A proxy on loopback between a producer and its brokers, which does to the traffic what networks do.

Brokers tell clients their own addresses: they stand in Kafka's metadata and in RocketMQ's routes.
The proxy puts its own in their place (of the same length, so nothing else in a frame changes), and
opens a way for each address it meets. So clients know nothing but the proxy, with any brokers.

Both protocols send frames of a length and so many bytes. The proxy knows which request a frame
answers, so that a fault can be meant for the answers of sends alone.

One thread runs all proxies of a process; what is set from outside is looked at frame by frame.
"""
import asyncio
import json
import random
import re
import socket
import struct
import threading

SENDS = {'kafka': {0}, 'rocketmq': {10, 310, 320}}
FRAME_MAX = 256 << 20


class Faults:
    """What is wrong with one way, and how often it struck. Set from any thread."""

    def __init__(self):
        self.delay = 0.0          # of every answer, in seconds
        self.rate = 0             # bytes a second towards the broker; 0: as they come
        self.stalled = set()      # 'to_broker', 'to_client': nothing goes that way
        self.refuse = False       # connections are refused
        self.cut_answer = None    # f(size) -> bytes that still go out of a send's answer, or None
        self.reject = 0.0         # share of RocketMQ's sends that are refused, not carried out ...
        self.reject_code = 2      # ... with this code: SYSTEM_BUSY
        self.garble = None        # f(answer bytes) -> other bytes, of a send's answer
        self.count = dict.fromkeys(('sends', 'answers', 'cuts', 'bytes_cut', 'bytes_stalled',
                                    'delayed', 'rejected', 'refused', 'garbled', 'throttled',
                                    'connections'), 0)

    def add(self, what, number=1):
        self.count[what] += number


class Connection:
    def __init__(self, way, client, broker):
        self.way, self.client, self.broker = way, client, broker
        self.asked = {}           # correlation -> code, of what is unanswered
        self.black_hole = set()   # directions that pass nothing any more, for this one alone
        self.out = asyncio.Queue()
        self.awaits_release = False

    def close(self):
        for writer in (self.client, self.broker):
            if writer.transport:
                writer.transport.abort()


class Way:
    """One port of ours in front of one of a broker's."""

    def __init__(self, proxy, protocol, role, target):
        self.proxy, self.protocol, self.role, self.target = proxy, protocol, role, target
        self.faults = proxy.faults[role]
        self.connections = set()
        self.server = None
        self.socket = proxy.take_port(len(str(target)))
        self.port = self.socket.getsockname()[1]

    async def listen(self):
        self.server = await asyncio.start_server(self.accept, sock=self.socket, limit=FRAME_MAX)

    async def accept(self, client_reader, client):
        faults = self.faults
        if faults.refuse:
            faults.add('refused')
            client.transport.abort()
            return
        try:
            broker_reader, broker = await asyncio.open_connection('127.0.0.1', self.target,
                                                                  limit=FRAME_MAX)
        except OSError:
            client.transport.abort()
            return
        faults.add('connections')
        connection = Connection(self, client, broker)
        self.connections.add(connection)
        try:
            await asyncio.wait([asyncio.ensure_future(self.forward(connection, client_reader)),
                                asyncio.ensure_future(self.back(connection, broker_reader)),
                                asyncio.ensure_future(self.deliver(connection))],
                               return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.connections.discard(connection)
            # a black hole does not tell that the far end has gone
            while connection.black_hole and not self.proxy.closed:
                if client.transport.is_closing():
                    break
                try:
                    if await asyncio.wait_for(client_reader.read(65536), 0.2) == b'':
                        break
                except asyncio.TimeoutError:
                    pass
                except OSError:
                    break
            connection.out.put_nowait(None)
            connection.close()

    async def frame(self, reader):
        head = await reader.readexactly(4)
        size, = struct.unpack('>I', head)
        if size > FRAME_MAX:
            raise OSError('not a frame')
        return head + await reader.readexactly(size)

    async def pass_when_free(self, connection, direction, size):
        """Waits while nothing may go that way."""
        counted = False
        while direction in self.faults.stalled or direction in connection.black_hole:
            if not counted:
                self.faults.add('bytes_stalled', size)
                counted = True
            await asyncio.sleep(0.01)

    async def forward(self, connection, reader):
        """Requests, towards the broker."""
        faults = self.faults
        try:
            while True:
                frame = await self.frame(reader)
                code, correlation = what_is_asked(self.protocol, frame)
                is_send = code in SENDS[self.protocol]
                if is_send:
                    faults.add('sends')
                if correlation is not None:
                    connection.asked[correlation] = code
                if is_send and faults.reject and self.proxy.random.random() < faults.reject:
                    faults.add('rejected')
                    connection.out.put_nowait((0, refusal(correlation, faults.reject_code)))
                    continue
                await self.pass_when_free(connection, 'to_broker', len(frame))
                if faults.rate:
                    faults.add('throttled')
                    await asyncio.sleep(len(frame) / faults.rate)
                connection.broker.write(frame)
                await connection.broker.drain()
        except (OSError, EOFError):
            pass

    async def back(self, connection, reader):
        """Answers, into a queue, each with the moment at which it may leave."""
        faults = self.faults
        try:
            while True:
                frame = await self.frame(reader)
                code = connection.asked.pop(correlation_of(self.protocol, frame), None)
                frame = await self.proxy.rewrite(self.protocol, frame)
                due = asyncio.get_running_loop().time() + faults.delay
                if faults.delay:
                    faults.add('delayed')
                connection.out.put_nowait((due, frame, code in SENDS[self.protocol]))
        except (OSError, EOFError):
            pass

    async def deliver(self, connection):
        faults = self.faults
        loop = asyncio.get_running_loop()
        try:
            while True:
                item = await connection.out.get()
                if item is None:
                    return
                due, frame, *is_send = item
                if due > loop.time():
                    await asyncio.sleep(due - loop.time())
                await self.pass_when_free(connection, 'to_client', len(frame))
                if is_send and is_send[0]:
                    faults.add('answers')
                    kept = faults.cut_answer(len(frame)) if faults.cut_answer else None
                    if kept is not None:
                        faults.add('cuts')
                        faults.add('bytes_cut', len(frame) - kept)
                        connection.client.write(frame[:kept])
                        await connection.client.drain()
                        connection.client.close()
                        return
                    other = faults.garble(frame) if faults.garble else None
                    if other is not None:
                        faults.add('garbled')
                        frame = other
                connection.client.write(frame)
                await connection.client.drain()
        except OSError:
            pass


def what_is_asked(protocol, frame):
    """The code of a request and what its answer will repeat; None, None of an answer."""
    try:
        if protocol == 'kafka':
            code, _, correlation = struct.unpack_from('>hhi', frame, 4)
            return code, correlation
        header = rocketmq_header(frame)
        return (None, None) if header['flag'] & 1 else (header['code'], header['opaque'])
    except (struct.error, ValueError, KeyError):
        return None, None


def correlation_of(protocol, frame):
    try:
        if protocol == 'kafka':
            return struct.unpack_from('>i', frame, 4)[0]
        return rocketmq_header(frame)['opaque']
    except (struct.error, ValueError, KeyError):
        return None


def rocketmq_header(frame):
    """Code, opaque and flag of a frame with a JSON or a binary header."""
    kind, size = frame[4], int.from_bytes(frame[5:8], 'big')
    if kind == 0:
        return json.loads(frame[8:8 + size])
    code, _, _, opaque, flag = struct.unpack_from('>hBhii', frame, 8)
    return {'code': code, 'opaque': opaque, 'flag': flag}


def refusal(opaque, code):
    """RocketMQ's answer of that code."""
    header = json.dumps({'code': code, 'flag': 1, 'language': 'JAVA', 'opaque': opaque,
                         'remark': 'refused by the proxy', 'version': 401}).encode()
    return struct.pack('>II', 4 + len(header), len(header)) + header


class Proxy:
    """Ways to a Kafka and to a RocketMQ, and the faults of `kafka`, `namesrv`, `broker`."""

    def __init__(self, kafka, namesrv, seed=0, namesrvs=1):
        self.random = random.Random(seed)
        roles = ['kafka', 'broker'] + [f'namesrv{i}' for i in range(namesrvs)]
        self.faults = {role: Faults() for role in roles}
        self.ways = {}            # (protocol, role of a name server or '', port) -> Way
        self.closed = False
        self.loop = asyncio.new_event_loop()
        self.loop.set_exception_handler(lambda loop, context: None)
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.kafka = self.call(self.way('kafka', 'kafka', port_of(kafka)))
        self.namesrv = ';'.join(self.call(self.way('rocketmq', f'namesrv{i}', port_of(namesrv)))
                                for i in range(namesrvs))

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(20)

    def take_port(self, digits):
        """A port with so many digits, for an address that is replaced must keep its length."""
        for _ in range(200):
            taken = socket.socket()
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind(('127.0.0.1', 0))
            if len(str(taken.getsockname()[1])) == digits:
                return taken
            taken.close()
        raise OSError(f'no free port of {digits} digits')

    async def way(self, protocol, role, target):
        found = self.ways.get((protocol, role, target))
        if not found:
            found = self.ways[protocol, role, target] = Way(self, protocol, role, target)
            await found.listen()
        return f'127.0.0.1:{found.port}'

    async def rewrite(self, protocol, frame):
        """The brokers' own addresses become ours."""
        if protocol == 'kafka':
            at = 0
            while (at := frame.find(b'127.0.0.1', at)) >= 0:
                at += 9
                if frame[at - 10] not in (9, 10) or at + 4 > len(frame):
                    continue
                port, = struct.unpack_from('>i', frame, at)
                if 1024 <= port <= 65535:
                    ours = await self.way('kafka', 'kafka', port)
                    frame = frame[:at] + struct.pack('>i', port_of(ours)) + frame[at + 4:]
            return frame
        if b'brokerAddrs' not in frame:
            return frame
        for port in set(re.findall(rb'127\.0\.0\.1:(\d+)', frame)):
            ours = await self.way('rocketmq', 'broker', int(port))
            frame = frame.replace(b'127.0.0.1:' + port, ours.encode())
        return frame

    # ---- faults, from any thread

    def of(self, role):
        """The faults of a role: kafka, broker, namesrv0, ..."""
        return self.faults[role]

    def connections(self, role):
        return [c for way in list(self.ways.values()) if way.role == role
                for c in list(way.connections)]

    def cut(self, *roles):
        """Ends all connections; how many."""
        ended = [c for role in roles for c in self.connections(role)]
        for connection in ended:
            connection.way.faults.add('cuts')
            self.loop.call_soon_threadsafe(connection.close)
        return len(ended)

    def down(self, *roles):
        for role in roles:
            self.faults[role].refuse = True
        return self.cut(*roles)

    def up(self, *roles):
        for role in roles:
            self.faults[role].refuse = False

    def black_hole(self, role, direction):
        """What is connected now is half open from here on; new connections are fine."""
        holes = self.connections(role)
        for connection in holes:
            connection.black_hole.add(direction)
        return len(holes)

    def total(self, what):
        return sum(faults.count[what] for faults in self.faults.values())

    def close(self):
        self.closed = True

        async def end():
            for way in self.ways.values():
                way.server.close()
                for connection in list(way.connections):
                    connection.close()
            await asyncio.sleep(0.05)
        self.call(end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)


def port_of(address):
    return int(address.rsplit(':', 1)[1])
