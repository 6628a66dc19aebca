/* Writes cleaned/: a log that Kafka's own cleaner has been through, and expected.txt, what Kafka
 * reads from it. With kafka-storage 4.1.0 and what it depends on in JARS, by hand:
 *
 *     java -cp 'JARS/*' CleanedLog.java OUT
 *
 * then OUT/cleaned-0/[0-9]*.log, .index, .timeindex and OUT/expected.txt are copied. The comments
 * say what the cleaner finds: a record stays when no later one has its key. */
import java.io.File;
import java.io.PrintWriter;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Properties;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.record.*;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.common.utils.Utils;
import org.apache.kafka.server.util.KafkaScheduler;
import org.apache.kafka.storage.internals.log.*;
import org.apache.kafka.storage.internals.utils.Throttler;
import org.apache.kafka.storage.log.metrics.BrokerTopicStats;

public class CleanedLog {
    static final Compression NONE = Compression.NONE, GZIP = Compression.gzip().build();
    static UnifiedLog log;

    static void batch(Compression codec, long producer, int sequence, long timestamp,
                      String... keys) throws Exception {
        boolean idempotent = producer >= 0;
        MemoryRecordsBuilder builder = MemoryRecords.builder(
            ByteBuffer.allocate(4096), RecordBatch.MAGIC_VALUE_V2, codec, TimestampType.CREATE_TIME,
            0L, timestamp, producer, idempotent ? (short) 3 : RecordBatch.NO_PRODUCER_EPOCH,
            idempotent ? sequence : RecordBatch.NO_SEQUENCE, false,
            RecordBatch.NO_PARTITION_LEADER_EPOCH);
        for (String key : keys)
            builder.append(timestamp++, key.getBytes(), ("value of " + key).getBytes());
        log.appendAsLeader(builder.build(), 0);
    }

    static void fill() throws Exception {
        batch(NONE, -1, 0, 1000, "a", "b", "c", "d", "e"); /* 0: b and d stay */
        batch(NONE, 7, 0, 1010, "a", "c");                 /* 5: nothing but the sequence stays */
        batch(NONE, -1, 0, 1020, "a", "c", "e");           /* 7: goes */
        log.roll();                                        /* 10: merged with the one before */
        batch(GZIP, -1, 0, 1100, "f", "a", "g", "c");      /* 10: f and g stay */
        batch(NONE, 8, 0, 1110, "a");                      /* 14: goes, its producer goes on */
        batch(NONE, 8, 1, 1120, "a", "h");                 /* 15: h stays */
        log.roll();
        batch(NONE, -1, 0, 1200, "a", "c", "e");           /* 17: goes */
        batch(NONE, -1, 0, 1190, "i");                     /* 20: stays */
        batch(NONE, -1, 0, 1210, "a", "c");                /* 21: goes */
        log.roll();
        batch(NONE, -1, 0, 1300, "a", "c");                /* 23: goes, the segment is empty */
        log.roll();
        batch(NONE, 9, 0, 1400, "a", "c", "e");            /* 25: the largest timestamp, empty */
        log.roll();
        batch(GZIP, -1, 0, 1350, "a", "j", "c", "k", "e"); /* 28: all stay */
        log.roll();
        batch(NONE, -1, 0, 1360, "l", "m");                /* 33: the active segment */
        batch(NONE, -1, 0, 1370, "n");                     /* 35 */
    }

    static void clean(Cleaner cleaner, OffsetMap map, long... bases) throws Exception {
        List<LogSegment> group = new ArrayList<>();
        for (LogSegment segment : log.logSegments())
            for (long base : bases)
                if (segment.baseOffset() == base)
                    group.add(segment);
        cleaner.cleanSegments(log, group, map, 2_000_000_000_000L, new CleanerStats(Time.SYSTEM),
                              new CleanedTransactionMetadata(), -1L, map.latestOffset());
    }

    static void cleanAll() throws Exception {
        OffsetMap map = new SkimpyOffsetMap(1 << 20);
        Cleaner cleaner = new Cleaner(0, map, 1 << 16, 1 << 20, 0.9,
                                      new Throttler(1e12, 300, "bytes", "bytes", Time.SYSTEM),
                                      Time.SYSTEM, partition -> { });
        cleaner.buildOffsetMap(log, 0, 33, map, new CleanerStats(Time.SYSTEM));
        clean(cleaner, map, 0, 10);
        for (long base : new long[] {17, 23, 25, 28})
            clean(cleaner, map, base);
    }

    static void describe(File out) throws Exception {
        try (PrintWriter writer = new PrintWriter(out)) {
            for (LogSegment segment : log.logSegments())
                for (RecordBatch batch : segment.log().batches()) {
                    writer.println("batch " + batch.baseOffset() + " " + batch.lastOffset());
                    for (org.apache.kafka.common.record.Record record : batch)
                        writer.println("record " + record.offset() + " " + record.timestamp() + " "
                                       + new String(Utils.toArray(record.key())));
                }
        }
    }

    public static void main(String[] args) throws Exception {
        File directory = new File(args[0], "cleaned-0");
        directory.mkdirs();
        Properties properties = new Properties();
        properties.put("cleanup.policy", "compact");
        properties.put("index.interval.bytes", "100");
        KafkaScheduler scheduler = new KafkaScheduler(1);
        scheduler.startup();
        log = UnifiedLog.create(directory, new LogConfig(properties), 0, 0, scheduler,
                                new BrokerTopicStats(), Time.SYSTEM, 60000,
                                new ProducerStateManagerConfig(86400000, false), 600000,
                                new LogDirFailureChannel(1), true, Optional.empty());
        fill();
        cleanAll();
        log.flush(true);
        describe(new File(args[0], "expected.txt"));
        log.close();
        System.exit(0);
    }
}
