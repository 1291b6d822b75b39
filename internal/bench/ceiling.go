package bench

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/waybell/waybell/signature"
)

// ceilingWorkers is how many requests the raw loop has under way: beside 16, 64 and
// 128, the one with which it is the fastest. With 16 it leaves a tenth of two cores idle.
const ceilingWorkers = 32

// raw is what the raw ceiling reached: deliveries per second, and the CPU
// seconds that sending and receiving 1,000 of them took.
type raw struct{ rate, cpu float64 }

// ceiling is the raw ceiling: a plain, tuned net/http client loop that signs
// and posts the same bytes with the same headers to the same kind of receiver,
// with no store, no queue and no log.
func ceiling(d time.Duration) (raw, error) {
	return withReceiver(func(r *receiver) (raw, error) {
		c, err := newRawClient("http://" + r.addr + "/hooks/0")
		if err != nil {
			return raw{}, err
		}
		defer c.transport.CloseIdleConnections()
		var done atomic.Int64
		errs := make([]error, ceilingWorkers)
		before, err := processUsage(os.Getpid())
		if err != nil {
			return raw{}, err
		}
		began := time.Now()
		var wg sync.WaitGroup
		for i := range ceilingWorkers {
			wg.Go(func() {
				for n := 0; errs[i] == nil && time.Since(began) < d; n++ {
					errs[i] = c.post(fmt.Sprintf("evt_%06d%09d", i, n))
					done.Add(1)
				}
			})
		}
		wg.Wait()
		took := time.Since(began)
		after, err := processUsage(os.Getpid())
		if err := errors.Join(append(errs, err)...); err != nil {
			return raw{}, fmt.Errorf("ceiling: %w", err)
		}
		n := float64(done.Load())
		return raw{n / took.Seconds(), per1000(after.cpu-before.cpu, n)}, nil
	})
}

// rawClient posts without any of what makes a delivery service.
type rawClient struct {
	transport *http.Transport
	signer    *signature.Signer
	url       *url.URL
	body      []byte
}

func newRawClient(to string) (*rawClient, error) {
	u, err := url.Parse(to)
	if err != nil {
		return nil, err
	}
	signer, err := signature.NewSigner(signature.Standard(), signature.GenerateSecret())
	if err != nil {
		return nil, err
	}
	t := &http.Transport{MaxIdleConnsPerHost: ceilingWorkers, DisableCompression: true}
	return &rawClient{transport: t, signer: signer, url: u, body: deliveryBody()}, nil
}

func (c *rawClient) post(id string) error {
	now := time.Now()
	h := make(http.Header, 9)
	h["Content-Type"] = []string{"application/json"}
	h["User-Agent"] = []string{"Waybell/ceiling"}
	h["X-Waybell-Event"] = []string{"message.received"}
	h["X-Waybell-Agent"] = []string{"bench"}
	h["X-Waybell-Delivery"] = []string{id}
	h["X-Waybell-Attempt"] = []string{"1"}
	h["Webhook-Id"] = []string{id}
	h["Webhook-Timestamp"] = []string{strconv.FormatInt(now.Unix(), 10)}
	c.signer.SetHeaders(h, signature.Message{ID: id, Timestamp: now, Body: c.body})
	resp, err := c.transport.RoundTrip(&http.Request{
		Method: http.MethodPost, URL: c.url, Host: c.url.Host, Header: h,
		Body: io.NopCloser(bytes.NewReader(c.body)), ContentLength: int64(len(c.body)),
	})
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
