// Package records has the records of tests/harness/scenario.py and the lines of its clients.
package records

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"
	"sync"
)

// Client is the interface of a client. Its methods end the program when they fail.
type Client interface {
	Codecs() []string
	Create(address, topic string, partitions int)
	// Produce gives the number of records that are at their expected offsets.
	Produce(address, topic string, partitions int, codec string, first, count int) int
	Consume(address, topic, group string, orders <-chan string)
}

// Key of record n.
func Key(n int) string { return fmt.Sprintf("key-%d", n%1000) }

// Value of record n.
func Value(n int) string {
	return fmt.Sprintf("record %08d ", n) + strings.Repeat("0123456789abcdef", 5)
}

var output sync.Mutex

// Say prints one line.
func Say(what map[string]any) {
	line, err := json.Marshal(what)
	Check(err)
	output.Lock()
	defer output.Unlock()
	os.Stdout.Write(append(line, '\n'))
}

// Print prints one record that was read.
func Print(partition int32, offset int64, key, value []byte, headers map[string]string) {
	Say(map[string]any{"p": partition, "o": offset, "k": string(key), "v": string(value), "h": headers})
}

// Check ends the program on an error.
func Check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func orders() <-chan string {
	words := make(chan string)
	go func() {
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			words <- strings.TrimSpace(lines.Text())
		}
	}()
	return words
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	Check(err)
	return n
}

// Main runs the command of the arguments.
func Main(client Client) {
	a := os.Args[1:]
	switch a[0] {
	case "codecs":
		Say(map[string]any{"codecs": client.Codecs()})
	case "create":
		client.Create(a[1], a[2], number(a[3]))
		Say(map[string]any{"created": true})
	case "produce":
		done := client.Produce(a[1], a[2], number(a[3]), a[4], number(a[5]), number(a[6]))
		Say(map[string]any{"produced": done})
	case "consume":
		client.Consume(a[1], a[2], a[3], orders())
	default:
		log.Fatalf("what is %s?", a[0])
	}
}
