// sarama.
package main

import (
	"context"
	"errors"
	"time"

	"github.com/IBM/sarama"

	"tidemill/interop/records"
)

type client struct{}

var codecs = map[string]sarama.CompressionCodec{
	"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy,
	"lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
}

func config() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.V2_8_0_0
	c.Metadata.Retry.Max, c.Metadata.Retry.Backoff = 60, 250*time.Millisecond
	return c
}

func (client) Codecs() []string { return []string{"none", "gzip", "snappy", "lz4", "zstd"} }

func (client) Create(address, topic string, partitions int) {
	admin, err := sarama.NewClusterAdmin([]string{address}, config())
	records.Check(err)
	detail := &sarama.TopicDetail{NumPartitions: int32(partitions), ReplicationFactor: 1}
	records.Check(admin.CreateTopic(topic, detail, false))
	records.Check(admin.Close())
}

func (client) Produce(address, topic string, partitions int, codec string, first, count int) int {
	c := config()
	c.Producer.Compression = codecs[codec]
	c.Producer.Partitioner = sarama.NewManualPartitioner
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Producer.Idempotent = true
	c.Producer.Return.Successes = true
	c.Net.MaxOpenRequests = 1
	producer, err := sarama.NewSyncProducer([]string{address}, c)
	records.Check(err)
	defer producer.Close()
	right := 0
	for at := first; at < first+count; at += 1000 {
		batch := []*sarama.ProducerMessage{}
		for n := at; n < at+1000 && n < first+count; n++ {
			batch = append(batch, &sarama.ProducerMessage{Topic: topic, Partition: int32(n % partitions),
				Key: sarama.StringEncoder(records.Key(n)), Value: sarama.StringEncoder(records.Value(n)),
				Headers: []sarama.RecordHeader{{Key: []byte("codec"), Value: []byte(codec)}}})
		}
		records.Check(producer.SendMessages(batch))
		for i, message := range batch {
			if message.Offset == int64((at+i)/partitions) {
				right++
			}
		}
	}
	return right
}

// member handles one group session after the other.
type member struct{ topic string }

func (m member) Setup(session sarama.ConsumerGroupSession) error {
	assigned := session.Claims()[m.topic]
	if assigned == nil {
		assigned = []int32{}
	}
	records.Say(map[string]any{"assigned": assigned})
	return nil
}

func (member) Cleanup(session sarama.ConsumerGroupSession) error {
	session.Commit()
	return nil
}

func (member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for message := range claim.Messages() {
		headers := map[string]string{}
		for _, h := range message.Headers {
			headers[string(h.Key)] = string(h.Value)
		}
		records.Print(message.Partition, message.Offset, message.Key, message.Value, headers)
		session.MarkMessage(message, "")
	}
	return nil
}

func (client) Consume(address, topic, group string, orders <-chan string) {
	c := config()
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Consumer.Offsets.AutoCommit.Interval = 100 * time.Millisecond
	c.Consumer.Group.Session.Timeout = 10 * time.Second
	c.Consumer.Group.Heartbeat.Interval = 300 * time.Millisecond
	c.Consumer.MaxWaitTime = 100 * time.Millisecond
	consumer, err := sarama.NewConsumerGroup([]string{address}, group, c)
	records.Check(err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan bool)
	go func() {
		for ctx.Err() == nil {
			err := consumer.Consume(ctx, []string{topic}, member{topic})
			if err != nil && !errors.Is(err, sarama.ErrClosedConsumerGroup) {
				time.Sleep(200 * time.Millisecond) // the broker is away: ask again
			}
		}
		ended <- true
	}()
	for word := range orders {
		if word == "leave" {
			break
		}
		// It commits what it has printed every 100 ms, and again when a session ends.
		records.Say(map[string]any{"committed": true})
	}
	stop()
	<-ended
	records.Check(consumer.Close())
	records.Say(map[string]any{"left": true})
}

func main() { records.Main(client{}) }
