/*
 * Writes assign.txt: what the Apache client's own strategies give, from 5.3.3's jars:
 *
 *   javac -cp "JARS/*" AssignGolden.java && java -cp "JARS/*:." AssignGolden | grep -v INFO
 */
import java.util.*;
import org.apache.rocketmq.client.consumer.AllocateMessageQueueStrategy;
import org.apache.rocketmq.client.consumer.rebalance.*;
import org.apache.rocketmq.common.message.MessageQueue;
public class AssignGolden {
    public static void main(String[] a) {
        Random r = new Random(42);
        AllocateMessageQueueStrategy[] s = {new AllocateMessageQueueAveragely(), new AllocateMessageQueueAveragelyByCircle(), new AllocateMessageQueueConsistentHash()};
        String[] n = {"average", "circle", "hash"};
        for (int t = 0; t < 30; t++) {
            String topic = t % 3 == 0 ? "%RETRY%group-" + t : "Topic_" + t;
            int brokers = 1 + r.nextInt(4), members = 1 + r.nextInt(t < 6 ? 1 : 9);
            List<MessageQueue> mqs = new ArrayList<>();
            List<String> cids = new ArrayList<>();
            StringBuilder line = new StringBuilder("topic ").append(topic).append("\nqueues");
            for (int b = 0; b < brokers; b++) {
                String name = new String[]{"broker-b", "broker-a", "Broker", "broker-10"}[b];
                int q = 1 + r.nextInt(t % 7 == 0 ? 12 : 5);
                line.append(' ').append(name).append('/').append(q);
                for (int i = 0; i < q; i++) mqs.add(new MessageQueue(topic, name, i));
            }
            line.append("\nmembers");
            for (int m = 0; m < members; m++) {
                String id = "10.0.0." + r.nextInt(120) + "@" + r.nextInt(30000) + (r.nextBoolean() ? "#" + Math.abs(r.nextLong()) : "");
                cids.add(id); line.append(' ').append(id);
            }
            System.out.println(line);
            Collections.sort(mqs); Collections.sort(cids);
            for (int k = 0; k < 3; k++) for (String c : cids) {
                StringBuilder out = new StringBuilder(n[k]).append(' ').append(c);
                for (MessageQueue q : s[k].allocate("group", c, mqs, cids)) out.append(' ').append(q.getBrokerName()).append('/').append(q.getQueueId());
                System.out.println(out);
            }
        }
    }
}
