package bench

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/waybell/waybell/signature"
)

// ceilingWorkers is how many requests the raw loop has under way: as many as an
// endpoint gets at once.
const ceilingWorkers = 16

// ceiling is the raw ceiling: a plain, tuned net/http client loop that signs
// and posts the same bytes to the same receiver, with no store, no queue and no
// log. It returns deliveries per second.
func ceiling(r *receiver, d time.Duration) (float64, error) {
	signer, err := signature.NewSigner(signature.Standard(), signature.GenerateSecret())
	if err != nil {
		return 0, err
	}
	transport := &http.Transport{MaxIdleConnsPerHost: ceilingWorkers, DisableCompression: true}
	defer transport.CloseIdleConnections()
	body := deliveryBody()
	url := "http://" + r.addr + "/ceiling"
	var done atomic.Int64
	errs := make([]error, ceilingWorkers)
	began := time.Now()
	var wg sync.WaitGroup
	for i := range ceilingWorkers {
		wg.Go(func() {
			for n := 0; errs[i] == nil && time.Since(began) < d; n++ {
				errs[i] = rawPost(transport, signer, url, fmt.Sprintf("evt_%d_%d", i, n), body)
				done.Add(1)
			}
		})
	}
	wg.Wait()
	return float64(done.Load()) / time.Since(began).Seconds(), errors.Join(errs...)
}

func rawPost(t *http.Transport, signer *signature.Signer, url, id string, body []byte) error {
	req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	now := time.Now()
	h := req.Header
	h.Set("Content-Type", "application/json")
	h.Set("User-Agent", "raw ceiling")
	h.Set("X-Waybell-Event", "message.received")
	h.Set("X-Waybell-Agent", "bench")
	h.Set("X-Waybell-Attempt", "1")
	h.Set("webhook-id", id)
	h.Set("webhook-timestamp", strconv.FormatInt(now.Unix(), 10))
	signer.SetHeaders(h, signature.Message{ID: id, Timestamp: now, Body: body})
	resp, err := t.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		return fmt.Errorf("receiver answered %d", resp.StatusCode)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}
