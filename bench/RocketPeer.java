import com.sun.management.OperatingSystemMXBean;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;

/**
 * The peer: the official RocketMQ Java client, doing what rmq-perf does.
 *
 *   RocketPeer produce NAMESRV TOPIC async|sync|batch SIZE WINDOW THREADS BATCH RATE
 *   RocketPeer consume NAMESRV TOPIC WARM_MESSAGES
 *   RocketPeer config NAMESRV BROKER_ADDRESS KEY VALUE
 *
 * Stays, so that what its compiler has learnt is kept from run to run: each line "COUNT" on stdin
 * is a run of so many messages, answered with the JSON object that rmq-perf prints; "COUNT SECONDS"
 * ends after that time if it is sooner. Measured is the CPU of the whole process, collector and
 * compiler included. A consumer reads the topic from its beginning in each run, in a new group, and
 * measures what comes after its first WARM_MESSAGES.
 */
public final class RocketPeer {
    private static final OperatingSystemMXBean OS =
        (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

    interface Run {
        Result go(long count, double secondsMax) throws Exception;
    }

    static final class Result {
        long messages, errors;
        double seconds, cpuUs;
        long[] latencyNs; // sorted; null: not measured

        private String percentile(double share) {
            if (latencyNs == null || latencyNs.length == 0)
                return "null";
            int rank = Math.max(1, (int) Math.ceil(share * latencyNs.length));
            return String.format(Locale.ROOT, "%.1f", latencyNs[rank - 1] / 1e3);
        }

        String json() throws Exception {
            String rss = "0";
            for (String line : Files.readAllLines(Path.of("/proc/self/status")))
                if (line.startsWith("VmRSS:"))
                    rss = line.replaceAll("[^0-9]", "");
            return String.format(Locale.ROOT,
                                 "{\"messages\":%d,\"seconds\":%.6f,\"rate\":%.1f,\"cpu_us_per_message\":%.4f,"
                                     + "\"p50_us\":%s,\"p99_us\":%s,\"p999_us\":%s,\"errors\":%d,\"in_doubt\":0,"
                                     + "\"rss_kib\":%s}",
                                 messages, seconds, messages / seconds, cpuUs / messages, percentile(0.5),
                                 percentile(0.99), percentile(0.999), errors, rss);
        }
    }

    // ---------------------------------------------------------------- produce

    static final class Producing implements Run {
        final DefaultMQProducer producer = new DefaultMQProducer("peer");
        final String topic, mode;
        final int size, window, threads, batch;
        final double rate;
        final AtomicInteger outstanding = new AtomicInteger();
        final AtomicLong errors = new AtomicLong(), next = new AtomicLong();

        Producing(String[] args) throws Exception {
            producer.setNamesrvAddr(args[1]);
            producer.setRetryTimesWhenSendAsyncFailed(0);
            producer.setSendMsgTimeout(10000);
            producer.start();
            topic = args[2];
            mode = args[3];
            size = Integer.parseInt(args[4]);
            window = Integer.parseInt(args[5]);
            threads = Integer.parseInt(args[6]);
            batch = Integer.parseInt(args[7]);
            rate = Double.parseDouble(args[8]);
        }

        private Message message(long number) {
            byte[] body = new byte[size];
            for (int i = 0; i < 8 && i < size; i++)
                body[i] = (byte) ('a' + (number >> (4 * i) & 15));
            return new Message(topic, body);
        }

        private void failed(Throwable error) {
            if (errors.getAndIncrement() == 0)
                System.err.println(error);
        }

        private synchronized void waitUntil(int atMost) throws InterruptedException {
            while (outstanding.get() > atMost)
                wait(100);
        }

        private void answered() {
            int left = outstanding.decrementAndGet();
            if (left != window / 2 && left != 0)
                return;
            synchronized (this) {
                notifyAll();
            }
        }

        private void sendAsync(long number) throws Exception {
            if (outstanding.get() >= window) // as rmq-perf: sleep until half is free
                waitUntil(window / 2);
            outstanding.incrementAndGet();
            producer.send(message(number), new SendCallback() {
                @Override
                public void onSuccess(SendResult result) {
                    answered();
                }

                @Override
                public void onException(Throwable error) {
                    failed(error);
                    answered();
                }
            });
        }

        private void sendAll(long number, long count) {
            try {
                if (mode.equals("batch")) {
                    List<Message> messages = new ArrayList<>();
                    for (long i = number; i < number + count; i++)
                        messages.add(message(i));
                    producer.send(messages);
                } else {
                    producer.send(message(number));
                }
            } catch (Exception error) {
                failed(error);
            }
        }

        private void work(long count, long beginNs, long endNs, long[] latencyNs) throws Exception {
            int step = mode.equals("batch") ? batch : 1;
            for (;;) {
                long number = next.getAndAdd(step);
                if (number >= count || System.nanoTime() > endNs) {
                    next.addAndGet(-step);
                    return;
                }
                long began = System.nanoTime();
                if (rate > 0) { // due at a time that is fixed in advance; latency counts from then
                    began = beginNs + (long) (number * 1e9 / rate);
                    for (long left = began - System.nanoTime(); left > 0; left = began - System.nanoTime())
                        LockSupport.parkNanos(left);
                }
                if (mode.equals("async")) {
                    sendAsync(number);
                    continue;
                }
                sendAll(number, Math.min(step, count - number));
                if (number / step < latencyNs.length)
                    latencyNs[(int) (number / step)] = System.nanoTime() - began;
            }
        }

        @Override
        public Result go(long count, double secondsMax) throws Exception {
            Result result = new Result();
            int step = mode.equals("batch") ? batch : 1;
            long[] latencyNs = new long[mode.equals("async") ? 0 : (int) (count / step + 1)];
            Thread[] workers = new Thread[threads];
            next.set(0);
            errors.set(0);
            long cpu = OS.getProcessCpuTime(), begin = System.nanoTime();
            for (int i = 0; i < threads; i++) {
                workers[i] = new Thread(() -> {
                    try {
                        work(count, begin, begin + (long) (secondsMax * 1e9), latencyNs);
                    } catch (Exception error) {
                        failed(error);
                    }
                });
                workers[i].start();
            }
            for (Thread worker : workers)
                worker.join();
            waitUntil(0);
            result.seconds = (System.nanoTime() - begin) / 1e9;
            result.cpuUs = (OS.getProcessCpuTime() - cpu) / 1e3;
            result.messages = Math.min(count, next.get());
            result.errors = errors.get();
            if (latencyNs.length > 0) {
                result.latencyNs = Arrays.copyOf(latencyNs, (int) ((result.messages + step - 1) / step));
                Arrays.sort(result.latencyNs);
            }
            return result;
        }
    }

    // ---------------------------------------------------------------- consume

    static final class Consuming implements Run {
        final String namesrv, topic;
        final long warm;
        int number;

        Consuming(String[] args) {
            namesrv = args[1];
            topic = args[2];
            warm = Long.parseLong(args[3]);
        }

        @Override
        public Result go(long count, double secondsMax) throws Exception {
            Result result = new Result();
            String group = "peer-" + ProcessHandle.current().pid() + "-" + ++number;
            DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(group);
            AtomicLong received = new AtomicLong(), cpu = new AtomicLong(), begin = new AtomicLong();
            CountDownLatch all = new CountDownLatch(1);
            consumer.setNamesrvAddr(namesrv);
            consumer.setInstanceName(group);
            consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
            consumer.setConsumeMessageBatchMaxSize(32);
            consumer.subscribe(topic, "*");
            consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
                long before = received.getAndAdd(messages.size());
                if (before <= warm && before + messages.size() > warm) {
                    cpu.set(OS.getProcessCpuTime());
                    begin.set(System.nanoTime());
                }
                if (before < warm + count && before + messages.size() >= warm + count) {
                    result.cpuUs = (OS.getProcessCpuTime() - cpu.get()) / 1e3;
                    result.seconds = (System.nanoTime() - begin.get()) / 1e9;
                    all.countDown();
                }
                return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
            });
            consumer.start();
            all.await();
            consumer.shutdown();
            result.messages = count;
            return result;
        }
    }

    // ---------------------------------------------------------------- main

    private static void config(String[] args) throws Exception {
        java.util.Properties properties = new java.util.Properties();
        DefaultMQAdminExt admin = new DefaultMQAdminExt();
        properties.setProperty(args[3], args[4]);
        admin.setNamesrvAddr(args[1]);
        admin.start();
        admin.updateBrokerConfig(args[2], properties);
        if (!args[4].equals(admin.getBrokerConfig(args[2]).getProperty(args[3])))
            throw new IllegalStateException("the broker did not take " + args[3]);
        admin.shutdown();
    }

    public static void main(String[] args) throws Exception {
        if (args[0].equals("config")) {
            config(args);
            System.exit(0);
        }
        Run run = args[0].equals("produce") ? new Producing(args) : new Consuming(args);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.trim().split(" ");
            System.out.println(
                run.go(Long.parseLong(words[0]), words.length > 1 ? Double.parseDouble(words[1]) : 1e6).json());
            System.out.flush();
        }
        System.exit(0);
    }
}
