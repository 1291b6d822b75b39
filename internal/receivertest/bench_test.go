package receivertest

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"sync"
	"testing"
)

// BenchmarkReceiver measures what the receiver adds to a benchmark: a sender
// that does next to nothing, 1 KiB bodies, 32 kept connections.
func BenchmarkReceiver(b *testing.B) {
	for name, o := range map[string]Options{"count": {CountOnly: true}, "record": {Keep: 1000}} {
		b.Run(name, func(b *testing.B) {
			r := Start(b, o)
			request := []byte("POST /hooks HTTP/1.1\r\nHost: a\r\nUser-Agent: b\r\nContent-Type: application/json\r\n" +
				"webhook-id: evt_1\r\nwebhook-timestamp: 1777192214\r\nContent-Length: 1024\r\n\r\n" + strings.Repeat("x", 1024))
			want := answer(200, "", nil)
			var senders sync.WaitGroup
			for i := range 32 {
				c, err := r.DialContext(b.Context(), "tcp", "")
				if err != nil {
					b.Fatal(err)
				}
				defer c.Close()
				senders.Go(func() {
					in, got := bufio.NewReader(c), make([]byte, len(want))
					for n := i; n < b.N; n += 32 {
						if _, err := c.Write(request); err != nil {
							b.Error(err)
							return
						}
						if _, err := io.ReadFull(in, got); err != nil || !bytes.Equal(got, want) {
							b.Errorf("answer %q, %v", got, err)
							return
						}
					}
				})
			}
			if err := r.Wait(b.Context(), b.N); err != nil {
				b.Error(err)
			}
			senders.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
		})
	}
}
