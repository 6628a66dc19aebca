import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;

/** Apache Kafka's Java client in the scenario of tests/harness/scenario.py. */
public final class Matrix {
    private static final Map<TopicPartition, OffsetAndMetadata> next = new HashMap<>();

    private static Properties properties(String... pairs) {
        Properties properties = new Properties();
        for (int i = 0; i < pairs.length; i += 2) {
            properties.put(pairs[i], pairs[i + 1]);
        }
        for (String side : new String[] {"key", "value"}) {
            String name = "org.apache.kafka.common.serialization.String";
            properties.put(side + ".serializer", name + "Serializer");
            properties.put(side + ".deserializer", name + "Deserializer");
        }
        return properties;
    }

    private static void create(String address, String topic, int partitions) throws Exception {
        try (Admin admin = Admin.create(properties("bootstrap.servers", address))) {
            admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1))).all().get();
        }
    }

    private static int produce(String address, String topic, int partitions, String codec, int first,
                               int count) throws Exception {
        Properties properties = properties("bootstrap.servers", address, "compression.type", codec, "linger.ms", "5");
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(properties)) {
            for (int n = first; n < first + count; n++) {
                String value = String.format("record %08d ", n) + "0123456789abcdef".repeat(5);
                ProducerRecord<String, String> record =
                    new ProducerRecord<>(topic, n % partitions, "key-" + n % 1000, value);
                record.headers().add("codec", codec.getBytes(StandardCharsets.UTF_8));
                sent.add(producer.send(record));
            }
        }
        int right = 0;
        for (int i = 0; i < count; i++) {
            right += sent.get(i).get().offset() == (first + i) / partitions ? 1 : 0;
        }
        return right;
    }

    private static void print(ConsumerRecord<String, String> r, StringBuilder out) {
        out.append("{\"p\":").append(r.partition()).append(",\"o\":").append(r.offset());
        out.append(",\"k\":\"").append(r.key()).append("\",\"v\":\"").append(r.value()).append("\",\"h\":{");
        String separator = "\"";
        for (Header h : r.headers()) {
            out.append(separator).append(h.key()).append("\":\"");
            out.append(new String(h.value(), StandardCharsets.UTF_8)).append('"');
            separator = ",\"";
        }
        out.append("}}\n");
    }

    private static void say(String json) {
        System.out.print(json + "\n");
        System.out.flush();
    }

    private static void commit(KafkaConsumer<String, String> consumer) {
        try {
            consumer.commitSync(next);
        } catch (CommitFailedException e) {
            System.err.println(e.getMessage()); // the partitions are somebody else's by now
        }
    }

    private static ConsumerRebalanceListener listener(KafkaConsumer<String, String> consumer) {
        return new ConsumerRebalanceListener() {
            @Override
            public void onPartitionsRevoked(Collection<TopicPartition> revoked) {
                commit(consumer);
                next.keySet().removeAll(revoked);
            }

            @Override
            public void onPartitionsAssigned(Collection<TopicPartition> added) {
                String all = consumer.assignment().stream().map(p -> String.valueOf(p.partition()))
                    .collect(Collectors.joining(","));
                say("{\"assigned\":[" + all + "]}");
            }
        };
    }

    /** The cooperative assignor: the newest client's way of rebalancing in the classic protocol. */
    private static void consume(String address, String topic, String group) {
        ConcurrentLinkedQueue<String> orders = new ConcurrentLinkedQueue<>();
        Thread reader = new Thread(() ->
            new BufferedReader(new InputStreamReader(System.in)).lines().forEach(orders::add));
        reader.setDaemon(true);
        reader.start();
        Properties properties = properties("bootstrap.servers", address, "group.id", group,
            "enable.auto.commit", "false", "auto.offset.reset", "earliest", "session.timeout.ms", "10000",
            "heartbeat.interval.ms", "300", "group.protocol", "classic", "partition.assignment.strategy",
            "org.apache.kafka.clients.consumer.CooperativeStickyAssignor");
        try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(properties)) {
            consumer.subscribe(List.of(topic), listener(consumer));
            while (true) {
                StringBuilder out = new StringBuilder();
                for (ConsumerRecord<String, String> r : consumer.poll(Duration.ofMillis(100))) {
                    print(r, out);
                    next.put(new TopicPartition(r.topic(), r.partition()), new OffsetAndMetadata(r.offset() + 1));
                }
                System.out.print(out);
                System.out.flush();
                String order = orders.poll();
                if ("commit".equals(order)) {
                    commit(consumer);
                    say("{\"committed\":true}");
                } else if ("leave".equals(order)) {
                    commit(consumer);
                    break;
                }
            }
        }
        say("{\"left\":true}");
    }

    public static void main(String[] a) throws Exception {
        switch (a[0]) {
            case "codecs" -> say("{\"codecs\":[\"none\",\"gzip\",\"snappy\",\"lz4\",\"zstd\"]}");
            case "create" -> {
                create(a[1], a[2], Integer.parseInt(a[3]));
                say("{\"created\":true}");
            }
            case "produce" -> {
                int count = Integer.parseInt(a[6]);
                count = produce(a[1], a[2], Integer.parseInt(a[3]), a[4], Integer.parseInt(a[5]), count);
                say("{\"produced\":" + count + "}");
            }
            case "consume" -> consume(a[1], a[2], a[3]);
            default -> throw new IllegalArgumentException(a[0]);
        }
    }
}
