import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.selector.SelectMessageQueueByHash;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * The Apache client as a peer: sends what stands on stdin, or prints what a topic holds.
 *
 *   Interop send NAMESRV TOPIC GROUP [batch|zlib|lz4|zstd|delay|timer]
 *   Interop receive NAMESRV TOPIC GROUP COUNT [TAGS]
 *   Interop queues NAMESRV TOPIC GROUP          keys on stdin; the queue of each by its hash
 *
 * A message is a line of fields between tabs, each text in hex ("-" for none): message id, queue,
 * body, keys, tags, milliseconds from birth to storing, then NAME=VALUE per property. `send` reads
 * lines with "-" as id and prints the ids, a line each; delay and timer have them delivered a
 * second or two later.
 */
public final class Interop {
    private static final HexFormat HEX = HexFormat.of();
    /** Stdout is ours: what the client's own log says there in 4.9 goes to stderr. */
    private static final PrintStream OUT = System.out;

    private static String text(String hex) {
        return hex.equals("-") ? null : new String(HEX.parseHex(hex), StandardCharsets.UTF_8);
    }

    private static String hex(String text) {
        return text == null ? "-" : HEX.formatHex(text.getBytes(StandardCharsets.UTF_8));
    }

    private static void send(String namesrv, String topic, String group, String mode) throws Exception {
        boolean batch = mode.equals("batch");
        if (mode.equals("lz4") || mode.equals("zstd")) // setCompressType() of 5.x
            System.setProperty("rocketmq.message.compressType", mode.toUpperCase(Locale.ROOT));
        DefaultMQProducer producer = new DefaultMQProducer(group);
        producer.setNamesrvAddr(namesrv);
        producer.start();
        List<MessageQueue> queues = new ArrayList<>(producer.fetchPublishMessageQueues(topic));
        queues.sort(null);
        Map<Integer, List<Message>> batches = new TreeMap<>();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        for (String line; (line = in.readLine()) != null;) {
            String[] fields = line.split("\t");
            Message message = new Message(topic, HEX.parseHex(fields[2]));
            if (!fields[3].equals("-"))
                message.setKeys(text(fields[3]));
            if (!fields[4].equals("-"))
                message.setTags(text(fields[4]));
            for (int i = 6; i < fields.length; i++) {
                String[] pair = fields[i].split("=", 2);
                message.putUserProperty(text(pair[0]), text(pair[1]));
            }
            if (mode.equals("delay"))
                message.setDelayTimeLevel(1);
            if (mode.equals("timer")) // setDelayTimeMs() of 5.x
                MessageAccessor.putProperty(message, "TIMER_DELAY_MS", "2000");
            int queue = Integer.parseInt(fields[1]);
            if (batch) {
                batches.computeIfAbsent(queue, q -> new ArrayList<>()).add(message);
            } else {
                SendResult result = producer.send(message, queues.get(queue));
                OUT.println(result.getMsgId());
            }
        }
        for (Map.Entry<Integer, List<Message>> one : batches.entrySet())
            OUT.println(producer.send(one.getValue(), queues.get(one.getKey())).getMsgId());
        producer.shutdown();
    }

    /** Where messages with these keys would go, if sent with the selector by hash. */
    private static void queues(String namesrv, String topic, String group) throws Exception {
        DefaultMQProducer producer = new DefaultMQProducer(group);
        producer.setNamesrvAddr(namesrv);
        producer.start();
        List<MessageQueue> queues = producer.fetchPublishMessageQueues(topic);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        for (String line; (line = in.readLine()) != null;)
            OUT.println(new SelectMessageQueueByHash().select(queues, null, text(line)).getQueueId());
        producer.shutdown();
    }

    /** The client's first connection may be lost while others of it are made: it says so, and has a new one. */
    private static void seekToBegin(DefaultLitePullConsumer consumer, MessageQueue queue) throws Exception {
        for (int left = 20;; left--) {
            try {
                consumer.seekToBegin(queue);
                return;
            } catch (Exception e) {
                if (left == 0)
                    throw e;
                Thread.sleep(250);
            }
        }
    }

    private static String line(MessageExt message) {
        StringBuilder out = new StringBuilder();
        out.append(message.getMsgId()).append('\t').append(message.getQueueId()).append('\t');
        out.append(HEX.formatHex(message.getBody())).append('\t');
        out.append(hex(message.getKeys())).append('\t').append(hex(message.getTags()));
        out.append('\t').append(message.getStoreTimestamp() - message.getBornTimestamp());
        for (Map.Entry<String, String> property : message.getProperties().entrySet())
            out.append('\t').append(hex(property.getKey())).append('=').append(hex(property.getValue()));
        return out.toString();
    }

    private static void receive(String namesrv, String topic, String group, int count, String tags)
        throws Exception {
        DefaultLitePullConsumer consumer = new DefaultLitePullConsumer(group);
        consumer.setNamesrvAddr(namesrv);
        consumer.setAutoCommit(false);
        if (tags != null) { // filters come with a subscription: this group is new, and its only member
            consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
            consumer.subscribe(topic, tags);
            consumer.start();
        } else {
            consumer.start();
            Collection<MessageQueue> queues = consumer.fetchMessageQueues(topic);
            consumer.assign(queues);
            for (MessageQueue queue : queues)
                seekToBegin(consumer, queue);
        }
        // what this client had pulled before the seek it may hand out once more, and in between:
        // a place counts once, and what is told is the order of places
        Map<Integer, Map<Long, String>> places = new TreeMap<>();
        long end = System.nanoTime() + 60_000_000_000L;
        for (int got = 0; got < count && System.nanoTime() < end;)
            for (MessageExt message : consumer.poll(500))
                if (places.computeIfAbsent(message.getQueueId(), q -> new TreeMap<>())
                        .putIfAbsent(message.getQueueOffset(), line(message)) == null)
                    got++;
        for (Map<Long, String> queue : places.values())
            queue.values().forEach(OUT::println);
        consumer.shutdown();
    }

    private static void run(String[] args) throws Exception {
        if (args[0].equals("send"))
            send(args[1], args[2], args[3], args.length > 4 ? args[4] : "zlib");
        else if (args[0].equals("queues"))
            queues(args[1], args[2], args[3]);
        else
            receive(args[1], args[2], args[3], Integer.parseInt(args[4]), args.length > 5 ? args[5] : null);
    }

    /** Ends in any case: the client's threads are not all daemons. */
    public static void main(String[] args) {
        System.setOut(System.err);
        try {
            run(args);
        } catch (Exception e) {
            e.printStackTrace();
            System.exit(1);
        }
        System.exit(0);
    }
}
