import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.selector.SelectMessageQueueByHash;
import org.apache.rocketmq.common.compression.CompressionType;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * The Apache client as a peer: sends what stands on stdin, or prints what a topic holds.
 *
 *   Interop send NAMESRV TOPIC GROUP [batch|zlib|lz4|zstd]
 *   Interop receive NAMESRV TOPIC GROUP COUNT
 *   Interop queues NAMESRV TOPIC GROUP          keys on stdin; the queue of each by its hash
 *
 * A message is a line of fields between tabs, each text in hex ("-" for none): message id, queue,
 * body, keys, tags, then NAME=VALUE per property. `send` reads lines with "-" as id and prints the
 * ids, a line each.
 */
public final class Interop {
    private static final HexFormat HEX = HexFormat.of();

    private static String text(String hex) {
        return hex.equals("-") ? null : new String(HEX.parseHex(hex), StandardCharsets.UTF_8);
    }

    private static String hex(String text) {
        return text == null ? "-" : HEX.formatHex(text.getBytes(StandardCharsets.UTF_8));
    }

    private static void send(String namesrv, String topic, String group, String mode) throws Exception {
        boolean batch = mode.equals("batch");
        DefaultMQProducer producer = new DefaultMQProducer(group);
        producer.setNamesrvAddr(namesrv);
        if (!batch)
            producer.setCompressType(CompressionType.of(mode));
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
            for (int i = 5; i < fields.length; i++) {
                String[] pair = fields[i].split("=", 2);
                message.putUserProperty(text(pair[0]), text(pair[1]));
            }
            int queue = Integer.parseInt(fields[1]);
            if (batch) {
                batches.computeIfAbsent(queue, q -> new ArrayList<>()).add(message);
            } else {
                SendResult result = producer.send(message, queues.get(queue));
                System.out.println(result.getMsgId());
            }
        }
        for (Map.Entry<Integer, List<Message>> one : batches.entrySet())
            System.out.println(producer.send(one.getValue(), queues.get(one.getKey())).getMsgId());
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
            System.out.println(new SelectMessageQueueByHash().select(queues, null, text(line)).getQueueId());
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

    private static void receive(String namesrv, String topic, String group, int count) throws Exception {
        DefaultLitePullConsumer consumer = new DefaultLitePullConsumer(group);
        consumer.setNamesrvAddr(namesrv);
        consumer.setAutoCommit(false);
        consumer.start();
        Collection<MessageQueue> queues = consumer.fetchMessageQueues(topic);
        consumer.assign(queues);
        for (MessageQueue queue : queues)
            seekToBegin(consumer, queue);
        // what this client had pulled before the seek it may hand out once more: a place counts once
        Set<String> places = new HashSet<>();
        long end = System.nanoTime() + 60_000_000_000L;
        StringBuilder out = new StringBuilder();
        for (int got = 0; got < count && System.nanoTime() < end;) {
            for (MessageExt message : consumer.poll(500)) {
                if (!places.add(message.getQueueId() + "/" + message.getQueueOffset()))
                    continue;
                out.append(message.getMsgId()).append('\t').append(message.getQueueId()).append('\t');
                out.append(HEX.formatHex(message.getBody())).append('\t');
                out.append(hex(message.getKeys())).append('\t').append(hex(message.getTags()));
                for (Map.Entry<String, String> property : message.getProperties().entrySet())
                    out.append('\t').append(hex(property.getKey())).append('=').append(hex(property.getValue()));
                out.append('\n');
                got++;
            }
        }
        System.out.print(out);
        consumer.shutdown();
    }

    private static void run(String[] args) throws Exception {
        if (args[0].equals("send"))
            send(args[1], args[2], args[3], args.length > 4 ? args[4] : "zlib");
        else if (args[0].equals("queues"))
            queues(args[1], args[2], args[3]);
        else
            receive(args[1], args[2], args[3], Integer.parseInt(args[4]));
    }

    /** Ends in any case: the client's threads are not all daemons. */
    public static void main(String[] args) {
        try {
            run(args);
        } catch (Exception e) {
            e.printStackTrace();
            System.exit(1);
        }
        System.exit(0);
    }
}
