// franz-go.
package main

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tidemill/interop/records"
)

type franz struct{}

var codecs = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
	"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

func open(address string, options ...kgo.Opt) *kgo.Client {
	client, err := kgo.NewClient(append(options, kgo.SeedBrokers(address))...)
	records.Check(err)
	return client
}

func (franz) Codecs() []string { return []string{"none", "gzip", "snappy", "lz4", "zstd"} }

func (franz) Create(address, topic string, partitions int) {
	client := open(address)
	defer client.Close()
	request := kmsg.NewCreateTopicsRequest()
	one := kmsg.NewCreateTopicsRequestTopic()
	one.Topic, one.NumPartitions, one.ReplicationFactor = topic, int32(partitions), 1
	request.Topics = append(request.Topics, one)
	response, err := request.RequestWith(context.Background(), client)
	records.Check(err)
	records.Check(kerr.ErrorForCode(response.Topics[0].ErrorCode))
}

func (franz) Produce(address, topic string, partitions int, codec string, first, count int) int {
	client := open(address, kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(codecs[codec]), kgo.MaxBufferedRecords(count))
	defer client.Close()
	right := make(chan bool, count)
	for n := first; n < first+count; n++ {
		n := n
		record := &kgo.Record{Topic: topic, Partition: int32(n % partitions), Key: []byte(records.Key(n)),
			Value: []byte(records.Value(n)), Headers: []kgo.RecordHeader{{Key: "codec", Value: []byte(codec)}}}
		client.Produce(context.Background(), record, func(r *kgo.Record, err error) {
			right <- err == nil && r.Offset == int64(n/partitions)
		})
	}
	records.Check(client.Flush(context.Background()))
	done := 0
	for i := 0; i < count; i++ {
		if <-right {
			done++
		}
	}
	return done
}

func (franz) Consume(address, topic, group string, orders <-chan string) {
	ctx := context.Background()
	held := map[int32]bool{}
	show := func() {
		assigned := []int32{}
		for partition := range held {
			assigned = append(assigned, partition)
		}
		records.Say(map[string]any{"assigned": assigned})
	}
	lose := func(commit bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(ctx context.Context, client *kgo.Client, lost map[string][]int32) {
			if commit {
				client.CommitUncommittedOffsets(ctx) // fails when the group moved on: read again then
			}
			for _, partition := range lost[topic] {
				delete(held, partition)
			}
			show()
		}
	}
	client := open(address, kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.SessionTimeout(10*time.Second), kgo.HeartbeatInterval(300*time.Millisecond),
		kgo.FetchMaxWait(100*time.Millisecond),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, added map[string][]int32) {
			for _, partition := range added[topic] {
				held[partition] = true
			}
			show()
		}),
		kgo.OnPartitionsRevoked(lose(true)), kgo.OnPartitionsLost(lose(false)))
	for {
		waiting, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		fetches := client.PollFetches(waiting)
		cancel()
		fetches.EachRecord(func(r *kgo.Record) {
			headers := map[string]string{}
			for _, h := range r.Headers {
				headers[h.Key] = string(h.Value)
			}
			records.Print(r.Partition, r.Offset, r.Key, r.Value, headers)
		})
		client.AllowRebalance()
		select {
		case word := <-orders:
			records.Check(client.CommitUncommittedOffsets(ctx))
			if word == "leave" {
				client.CloseAllowingRebalance()
				records.Say(map[string]any{"left": true})
				return
			}
			records.Say(map[string]any{"committed": true})
		default:
		}
	}
}

func main() { records.Main(franz{}) }
