import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * The peer: dual write as a team would write it with the two official clients, both asynchronous,
 * a window of messages whose two copies are not both acknowledged yet.
 *
 *   NaiveDualWrite KAFKA NAMESRV TOPIC PARTITIONS COUNT WARMUP SIZE WINDOW
 *
 * Prints one JSON object about the COUNT messages after the WARMUP ones: CPU of the whole process
 * (all threads, collector and compiler included) per message.
 */
public final class NaiveDualWrite {
    private static final OperatingSystemMXBean OS =
        (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

    private final KafkaProducer<byte[], byte[]> kafka;
    private final DefaultMQProducer rocketmq;
    private final List<MessageQueue> queues;
    private final String topic;
    private final int window;
    private int outstanding; // guarded by this
    private final AtomicLong errors = new AtomicLong();

    NaiveDualWrite(String kafkaAddress, String namesrv, String topic, int partitions, int window) throws Exception {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", kafkaAddress);
        settings.put("acks", "all");
        settings.put("linger.ms", "5");
        settings.put("key.serializer", ByteArraySerializer.class.getName());
        settings.put("value.serializer", ByteArraySerializer.class.getName());
        kafka = new KafkaProducer<>(settings);
        rocketmq = new DefaultMQProducer("naive-dual-write");
        rocketmq.setNamesrvAddr(namesrv);
        rocketmq.setRetryTimesWhenSendAsyncFailed(0);
        rocketmq.start();
        queues = new ArrayList<>(rocketmq.fetchPublishMessageQueues(topic));
        queues.sort(null);
        if (queues.size() < partitions)
            throw new IllegalStateException(queues.size() + " queues");
        this.topic = topic;
        this.window = window;
    }

    private void done(AtomicInteger copies, Throwable error) {
        if (error != null && errors.getAndIncrement() == 0)
            System.err.println(error);
        if (copies.decrementAndGet() > 0)
            return;
        synchronized (this) {
            if (--outstanding == window / 2 || outstanding == 0)
                notify();
        }
    }

    /** As dual_write.c does it: sleeps until half is free rather than once a message. */
    private synchronized void takeRoom() throws InterruptedException {
        if (outstanding >= window)
            while (outstanding > window / 2)
                wait();
        outstanding++;
    }

    private synchronized void drain() throws InterruptedException {
        while (outstanding > 0)
            wait();
    }

    private void run(long count, int partitions, int size) throws Exception {
        for (long n = 0; n < count; n++) {
            takeRoom();
            byte[] body = new byte[size];
            for (int i = 0; i < 8; i++)
                body[i] = (byte) ('a' + (n >> (4 * i) & 15));
            String key = "key-" + n % 10000;
            int partition = (int) (n % partitions);
            AtomicInteger copies = new AtomicInteger(2);
            kafka.send(new ProducerRecord<>(topic, partition, key.getBytes(), body),
                       (metadata, error) -> done(copies, error));
            Message message = new Message(topic, body);
            message.setKeys(key);
            rocketmq.send(message, queues.get(partition), new SendCallback() {
                @Override
                public void onSuccess(SendResult result) {
                    done(copies, null);
                }

                @Override
                public void onException(Throwable error) {
                    done(copies, error);
                }
            });
        }
        drain();
    }

    public static void main(String[] args) throws Exception {
        int partitions = Integer.parseInt(args[3]);
        long count = Long.parseLong(args[4]);
        long warmup = Long.parseLong(args[5]);
        int size = Integer.parseInt(args[6]);
        NaiveDualWrite peer =
            new NaiveDualWrite(args[0], args[1], args[2], partitions, Integer.parseInt(args[7]));
        peer.run(warmup, partitions, size);
        long cpu = OS.getProcessCpuTime();
        long begin = System.nanoTime();
        peer.run(count, partitions, size);
        double seconds = (System.nanoTime() - begin) / 1e9;
        double used = (OS.getProcessCpuTime() - cpu) / 1e3;
        System.out.printf("{\"messages\":%d,\"seconds\":%.3f,\"rate\":%.0f,\"cpu_us_per_message\":%.3f,\"errors\":%d}%n",
                          count, seconds, count / seconds, used / count, peer.errors.get());
        System.exit(peer.errors.get() == 0 ? 0 : 1);
    }
}
