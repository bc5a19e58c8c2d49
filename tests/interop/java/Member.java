import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Collection;
import java.util.TreeSet;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueAveragely;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueAveragelyByCircle;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueConsistentHash;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * A member of a consumer group, the twin of rmq_member.c:
 *
 *   Member NAMESRV TOPIC GROUP NAME average|circle|hash concurrent|orderly FAILS ATTEMPTS
 *
 * Prints "got QUEUE OFFSET TIMES BODY" for each message, after having refused those whose body
 * begins with "bad" FAILS times. Reads commands: "queues" prints "queues Q Q ...", "stop" ends it.
 */
public final class Member {
    private static synchronized void say(String line) {
        System.out.println(line);
        System.out.flush();
    }

    private static boolean take(MessageExt message, int fails) {
        String body = new String(message.getBody(), StandardCharsets.UTF_8);
        say("got " + message.getQueueId() + " " + message.getQueueOffset() + " " + message.getReconsumeTimes() + " " + body);
        return !body.startsWith("bad") || message.getReconsumeTimes() >= fails;
    }

    public static void main(String[] args) throws Exception {
        String topic = args[1];
        int fails = Integer.parseInt(args[6]);
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(args[2]);
        consumer.setNamesrvAddr(args[0]);
        consumer.setInstanceName(args[3]);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.setMaxReconsumeTimes(Integer.parseInt(args[7]));
        switch (args[4]) {
            case "circle" -> consumer.setAllocateMessageQueueStrategy(new AllocateMessageQueueAveragelyByCircle());
            case "hash" -> consumer.setAllocateMessageQueueStrategy(new AllocateMessageQueueConsistentHash());
            default -> consumer.setAllocateMessageQueueStrategy(new AllocateMessageQueueAveragely());
        }
        consumer.subscribe(topic, "*");
        if (args[5].equals("orderly")) {
            consumer.registerMessageListener((MessageListenerOrderly) (messages, context) ->
                take(messages.get(0), fails) ? ConsumeOrderlyStatus.SUCCESS : ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT);
        } else {
            consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
                context.setDelayLevelWhenNextConsume(1);
                return take(messages.get(0), fails) ? ConsumeConcurrentlyStatus.CONSUME_SUCCESS : ConsumeConcurrentlyStatus.RECONSUME_LATER;
            });
        }
        consumer.start();
        say("ready");
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        for (String line; (line = in.readLine()) != null && !line.equals("stop");) {
            TreeSet<Integer> queues = new TreeSet<>();
            Collection<MessageQueue> all = consumer.getDefaultMQPushConsumerImpl().getRebalanceImpl().getProcessQueueTable().keySet();
            for (MessageQueue queue : all)
                if (queue.getTopic().equals(topic))
                    queues.add(queue.getQueueId());
            StringBuilder out = new StringBuilder("queues");
            for (int queue : queues)
                out.append(' ').append(queue);
            say(out.toString());
        }
        consumer.shutdown();
        say("stopped");
        System.exit(0);
    }
}
