#!/usr/bin/env python3
"""Writes the first inputs of the fuzz targets into corpus/. Shares no code with src/.

What fuzzing found beyond them stands beside, under the names that libFuzzer gives (SHA-1).
"""
import base64
import pathlib
import struct
import zlib

CORPUS = pathlib.Path(__file__).resolve().parent / 'corpus'


def put(subject, name, data):
    folder = CORPUS / subject
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def json_header(code, opaque, flag, fields, remark=None):
    text = ','.join(f'"{n}":"{v}"' for n, v in fields.items())
    more = f',"remark":"{remark}"' if remark else ''
    return (f'{{"code":{code},"extFields":{{{text}}},"flag":{flag},"language":"JAVA",'
            f'"opaque":{opaque}{more},"serializeTypeCurrentRPC":"JSON","version":479}}').encode()


def binary_header(code, opaque, flag, fields, remark=b''):
    block = b''.join(struct.pack('>H', len(n)) + n.encode() + struct.pack('>I', len(v)) + v.encode()
                     for n, v in fields.items())
    return struct.pack('>hBhii', code, 0, 479, opaque, flag) + struct.pack(
        '>I', len(remark)) + remark + struct.pack('>I', len(block)) + block


def frame(header, kind, body=b''):
    return struct.pack('>II', 4 + len(header) + len(body), kind << 24 | len(header)) + header + body


def properties(pairs):
    return b''.join(n.encode() + b'\x01' + v.encode() + b'\x02' for n, v in pairs)


def stored(body, topic=b'TopicTest', props=b'', flags=0, offset=5, v2=False, crc=None, ipv6=False):
    host = bytes(range(16)) if ipv6 else bytes([10, 0, 0, 1])
    flags |= 0x30 if ipv6 else 0
    rest = struct.pack('>IIIIqqi', 0xDAA320AB if v2 else 0xDAA320A7,
                       (zlib.crc32(body) & 0x7fffffff) if crc is None else crc, 2, 0, offset,
                       1024, flags)
    rest += struct.pack('>q', 1700000000000) + host + struct.pack('>i', 40000)
    rest += struct.pack('>q', 1700000000123) + host + struct.pack('>i', 10911)
    rest += struct.pack('>iqi', 0, 0, len(body)) + body
    rest += struct.pack('>H' if v2 else '>B', len(topic)) + topic
    rest += struct.pack('>H', len(props)) + props
    return struct.pack('>I', 4 + len(rest)) + rest


def item(body, props=b''):
    return struct.pack('>IIIII', 22 + len(body) + len(props), 0, 0, 0, len(body)) + body + \
        struct.pack('>H', len(props)) + props


LZ4 = bytes.fromhex('04224d1864408256000000'  # frame header; one block, stored; end mark
                    )
ZSTD_HELLO = bytes.fromhex('28b52ffd2005290000') + b'hello'
SEND = {'a': 'PG', 'b': 'TopicTest', 'c': 'TBW102', 'd': '4', 'e': '2', 'f': '0',
        'g': '1700000000000', 'h': '0', 'i': r'KEYS\u0001k1\u0002TAGS\u0001TagA\u0002', 'j': '0',
        'k': 'false', 'm': 'false', 'n': 'broker-a'}
SENT = {'queueId': '2', 'queueOffset': '7', 'msgId': '0A00000200002A9F0000000000000400',
        'MSG_REGION': 'DefaultRegion', 'TRACE_ON': 'true'}
PULLED = {'nextBeginOffset': '6', 'minOffset': '0', 'maxOffset': '6', 'suggestWhichBrokerId': '0'}


def frames():
    route = {'topic': 'TopicTest', 'acceptStandardJsonOnly': 'true'}
    put('frame', 'route-json', frame(json_header(105, 1, 0, route), 0))
    put('frame', 'route-binary', frame(binary_header(105, 1, 0, route), 1))
    put('frame', 'send', frame(json_header(310, 2, 0, SEND), 0, b'hello'))
    put('frame', 'two', frame(json_header(0, 2, 1, SENT), 0) +
        frame(binary_header(0, 3, 1, PULLED), 1, stored(b'hello')))
    put('frame', 'too-big', struct.pack('>II', 0x7fffffff, 0))
    put('frame', 'no-header', frame(b'', 0))
    for name, (code, flag, fields, remark) in {
            'send': (310, 0, SEND, ''), 'sent': (0, 1, SENT, ''), 'pulled': (0, 1, PULLED, 'FOUND'),
            'busy': (2, 1, {}, '[TIMEOUT_CLEAN_QUEUE]broker busy, start flow control'),
            'oneway': (35, 2, {'clientID': 'c', 'producerGroup': 'PG'}, '')}.items():
        put('header', f'{name}-json', b'\x00' + json_header(code, 9, flag, fields, remark))
        put('header', f'{name}-binary', b'\x01' + binary_header(code, 9, flag, fields,
                                                                remark.encode()))
    put('header', 'empty-json', b'\x00{}')
    put('header', 'bare', b'\x00{"code":-1,"extFields":{"a":1,"b":true,"c":null,d:"x"},'
        b'"flag":3,"language":9,"opaque":-2147483648,"remark":null,"version":0,"new":[{}]}')
    put('header', 'escapes', '\x00{"code":1,"remark":"\\u4f60\\ud83d\\udeeb \\"\\\\\\n\\x41\\7",'
        '"extFields":{"\\u0061":"\\/"},"opaque":1}'.encode())


def messages():
    props = properties([('KEYS', 'k1 k2'), ('UNIQ_KEY', 'C0A80109117018B4AAC2499602D20001'),
                        ('TAGS', 'TagA')])
    deep = zlib.compress(zlib.compress(bytes(1 << 24), 9), 9)
    inputs = {
        'plain': stored(b'hello', props=props), 'ipv6': stored(b'hi', ipv6=True),
        'v2': stored(b'hi', topic=b'T' * 130, v2=True), 'no-end': stored(b'x', props=props[:-1]),
        'two': stored(b'a', offset=1) + stored(b'b', offset=2, props=props),
        'zlib': stored(zlib.compress(b'hello' * 20), flags=1),
        'zlib-named': stored(zlib.compress(b'hello' * 20), flags=0x301),
        'zstd': stored(ZSTD_HELLO, flags=0x201), 'lz4': stored(LZ4, flags=0x101),
        'unknown': stored(b'hello', flags=0x701),
        'bomb': stored(zlib.compress(bytes(1 << 20), 9), flags=0x301),
        'bomb-in-bomb': stored(deep, flags=0x301),
        'bombs': b''.join(stored(zlib.compress(bytes(1 << 15), 9), flags=0x301, offset=n)
                          for n in range(40)),
        'bad-sum': stored(b'hello', crc=1),
        'batch': stored(item(b'a', properties([('TAGS', 'TagB')])) + item(b'bc'), flags=0x20000),
        'inner': stored(item(b'a', properties([('TAGS', 'TagB')])) + item(b'bc'), flags=0xa0,
                        props=properties([('INNER_NUM', '2')])),
        'cut': stored(b'hello')[:60]}
    for bit, how in enumerate((0, 1, 2, 3)):
        for name, data in inputs.items():
            if how in (0, 3) or name in ('plain', 'batch', 'inner'):
                put('stored', f'{name}-{bit}', bytes([how, 0]) + data)
    put('stored', 'ahead', bytes([0, 6]) + inputs['two'])


def texts():
    route = ('{"brokerDatas":[{"brokerAddrs":{%s:"127.0.0.1:10911",%s:"127.0.0.1:10921"},'
             '"brokerName":"broker-a","cluster":"DefaultCluster","enableActingMaster":false}],'
             '"filterServerTable":{},"queueDatas":[{"brokerName":"broker-a","perm":6,'
             '"readQueueNums":4,"topicSysFlag":0,"writeQueueNums":4}]}')
    put('json', 'route-quoted', (route % ('"0"', '"1"')).encode())
    put('json', 'route-bare', (route % ('0', '1')).encode())
    put('json', 'route-order', (route % ('0', '1')).replace(
        '"filterServerTable"', '"orderTopicConf":"broker-a:2;broker-b:4","x"').encode())
    put('json', 'static-topic', b'{"topicQueueMappingByBroker":{"b":{}},"brokerDatas":[]}')
    put('json', 'cluster', b'{"brokerAddrTable":{"broker-a":{"brokerAddrs":{0:"127.0.0.1:10911"},'
        b'"brokerName":"broker-a","cluster":"c"}},"clusterAddrTable":{"c":["broker-a"]}}')
    put('json', 'offset-table', b'{"offsetTable":{{"brokerName":"broker-a","queueId":0,'
        b'"topic":"T"}:{"lastUpdateTimestamp":1700000000000,"maxOffset":7,"minOffset":0}}}')
    put('json', 'consume-stats', b'{"consumeTps":0.0,"offsetTable":{{"brokerName":"b","queueId":3,'
        b'"topic":"T"}:{"brokerOffset":9,"consumerOffset":-1,"lastTimestamp":0}}}')
    put('json', 'members', b'{"consumerIdList":["10.0.0.1@1#2","\\u0063"]}')
    put('json', 'deep', b'[' * 40 + b']' * 40)
    put('json', 'odd', b'{"a":-1.5e+30,"b":[true,false,null],"":"\\ud800",\'s\':1}')
    put('properties', 'plain', properties([('KEYS', 'k1 k2'), ('TAGS', 'TagA'), ('TAGS', 'b')]))
    put('properties', 'no-end', b'a\x01b\x02c\x01d')
    put('properties', 'none', b'\x02\x01\x02x\x02\x01y\x02a\x01\x02')
    put('properties', 'tags', b'TagA || TagB||*')
    put('properties', 'batch', item(b'a', properties([('TAGS', 'x')])) + item(b'bc'))


def segments():
    def header(number, first):
        return b'DUETJRN1' + bytes(range(16)) + struct.pack('>QQQ', number, first, 1700000000000) + \
            bytes(12) + bytes(4)

    def record(lsn, kind, payload, size=None, lane=1):
        data = struct.pack('>IIQBBHI', size or 24 + len(payload), 0, lsn, kind, 1, 0, lane) + payload
        return data + bytes(-len(data) % 8)

    lane = record(1, 1, struct.pack('>i', 0) + b'flights')
    some = lane + record(2, 2, b'hello') + record(3, 3, struct.pack('>Q', 2)) + record(
        4, 5, struct.pack('>Q', 3))
    put('segment', 'whole', b'\x01' + header(1, 1) + some + bytes(64))
    put('segment', 'raw', b'\x00' + header(1, 1) + some)
    put('segment', 'hole', b'\x01' + header(1, 1) + lane + b'\xff' * 40 + record(5, 2, b'x'))
    put('segment', 'torn', b'\x01' + header(1, 1) + lane + record(2, 2, b'hello')[:27])
    put('segment', 'huge', b'\x01' + header(1, 1) + record(1, 2, b'', size=0xffffffff))
    put('segment', 'last-number', b'\x01' + header(2**64 - 1, 2**64 - 1) + record(2**64 - 1, 2, b'x') +
        record(0, 2, b'y'))
    put('segment', 'zeros', b'\x00' + bytes(200))


def mapped():
    golden = dict(line.split(' ', 1) for line in
                  (CORPUS.parent.parent / 'golden' / 'model.txt').read_text().splitlines()
                  if ' ' in line and not line.startswith('#'))
    for name, value in golden.items():
        if name.startswith('stamp.'):
            put('mapping', name, value.encode() if name.endswith('.text') else
                bytes.fromhex(value) if len(value) == 56 else value.encode())
        if name.startswith('link.') and not name.endswith('.text'):
            put('link', name, bytes.fromhex(value))
    entry = struct.pack('>BIH', 0, 1, 2) + bytes(5) + b'\x07' + bytes(5) + b'\x09'
    for name, tail in [('reversed', entry[:7] + entry[13:] + entry[7:13]), ('kind', b'\x05' + entry[1:]),
                       ('instance', b'\x00\xff' + entry[2:]), ('ended', b'\x03' + entry[1:]),
                       ('cut', entry[:18]), ('two', entry + entry), ('none', b'')]:
        put('link', name, b'\x01\x00' + bytes(8) + tail)
    b64 = lambda data: base64.urlsafe_b64encode(data).decode().rstrip('=')  # noqa: E731
    for how in (0, 1, 4, 8):
        put('mapping', f'record-{how}', bytes([how, 5]) + b'hello' + properties(
            [('KEYS', 'N14228'), ('DUET', 'A' * 38), ('UNIQ_KEY', 'C0'), ('origin', 'EWR')]))
    put('mapping', 'key', bytes([0, 1]) + b'x' + properties([('DUET_KEY', b64(b'a b\x00'))]))
    put('mapping', 'headers', bytes([0, 1]) + b'x' + properties(
        [('DUET_HEADERS', golden['headers.list']), ('origin', 'EWR'), ('carrier', 'UA')]))
    put('mapping', 'null', bytes([4, 1]) + b'\x00' + properties([('DUET_LINK', b64(bytes(20)))]))


def sketches():
    golden = CORPUS.parent.parent / 'golden'
    for name in ('sketch-16-aes', 'sketch-16-siphash', 'sketch-64-aes-folded',
                 'sketch-64-siphash-refines-16'):
        put('sketch', name, (golden / f'{name}.bin').read_bytes())
    head = b'DSK1' + struct.pack('>BBBB', 1, 7, 4, 0) + bytes(32)
    put('sketch', 'empty', head + bytes(8) + bytes(4))
    put('sketch', 'refines-empty', head[:6] + b'\x05\x04' + bytes(32) + bytes(8) + bytes(4))
    put('sketch', 'zero-cell', head + b'\x80' + bytes(7) + bytes(32) + bytes(4))
    put('sketch', 'one-table', head + b'\x80' + bytes(7) + b'\x01' * 32 + bytes(4))
    put('sketch', 'widest', head[:6] + b'\x0c\x00' + bytes(32) + bytes(4))
    put('sketch', 'other-version', b'DSK2' + head[4:])
    put('delta', 'golden', (golden / 'sketch-delta.bin').read_bytes())
    lane = struct.pack('>BBBIIHBIH', 2, 7, 0, 3, 0, 2, 0, 1, 1)
    window = struct.pack('>IB', 900, 1) + struct.pack('>QQQQ', 2, 20, 5, 6) + bytes(32)
    days = struct.pack('>HHQHQ', 2, 10, 1, 11, 1)
    put('delta', 'empty', b'DDL1' + lane + struct.pack('>QQB', 5, 5, 0) + bytes(4))
    put('delta', 'issued', b'DDL1' + lane + struct.pack('>QQB', 5, 7, 1) + window + days + bytes(4))
    put('delta', 'two', b'DDL1' + lane + struct.pack('>QQB', 5, 9, 2) + window + days +
        struct.pack('>I', 901) + window[4:] + days + bytes(4))
    put('delta', 'other-version', b'DDL2' + lane + struct.pack('>QQB', 5, 5, 0) + bytes(4))
    put('delta', 'window', b'DWN1' + struct.pack('>IBBBQQQ', 900, 1, 0, 2, 3, 0, 4) +
        struct.pack('>IQQ', 2, 8, 9) + struct.pack('>IH8Q', 1, 15706, *range(8)) +
        8 * (b'\x00' + bytes(64)) + bytes(4))


if __name__ == '__main__':
    frames()
    messages()
    texts()
    segments()
    mapped()
    sketches()
