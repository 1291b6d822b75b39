package bench

import (
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// receiver is the other side of every scenario: a plain net/http server that
// reads each request, notes which delivery it was and answers 204. The raw
// ceiling posts to the same one.
type receiver struct {
	server   *http.Server
	addr     string
	requests atomic.Int64
	last     atomic.Int64 // when the last request came, unix nanoseconds

	// handle, when set, decides about a request before it is noted; false means
	// that it was answered already.
	handle atomic.Pointer[func(http.ResponseWriter, *http.Request) bool]

	shards [64]shard
	notify chan struct{}
}

// shard holds the deliveries seen, with the time of the first request.
type shard struct {
	mu   sync.Mutex
	seen map[string]int64
	dups int64
}

func newReceiver() (*receiver, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &receiver{addr: l.Addr().String(), notify: make(chan struct{}, 1)}
	r.reset()
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: time.Minute}
	go r.server.Serve(l)
	return r, nil
}

func (r *receiver) close() { r.server.Close() }

// reset forgets everything seen.
func (r *receiver) reset() {
	for i := range r.shards {
		r.shards[i].mu.Lock()
		r.shards[i].seen, r.shards[i].dups = map[string]int64{}, 0
		r.shards[i].mu.Unlock()
	}
	r.requests.Store(0)
	r.handle.Store(nil)
}

// ServeHTTP takes one delivery.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	now := time.Now().UnixNano()
	if f := r.handle.Load(); f != nil && !(*f)(w, req) {
		return
	}
	io.Copy(io.Discard, req.Body)
	if id := req.Header.Get("X-Waybell-Delivery"); id != "" {
		s := &r.shards[hash(id)%uint32(len(r.shards))]
		s.mu.Lock()
		if _, again := s.seen[id]; again {
			s.dups++
		} else {
			s.seen[id] = now
		}
		s.mu.Unlock()
	}
	r.last.Store(now)
	r.requests.Add(1)
	w.WriteHeader(http.StatusNoContent)
}

func hash(s string) uint32 {
	h := uint32(2166136261)
	for i := range len(s) {
		h = (h ^ uint32(s[i])) * 16777619
	}
	return h
}

// distinct is how many different deliveries came, and how many came again.
func (r *receiver) distinct() (n int, dups int64) {
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		n, dups = n+len(s.seen), dups+s.dups
		s.mu.Unlock()
	}
	return n, dups
}

// wait returns when n different deliveries came, or after the limit without
// any progress.
func (r *receiver) wait(n int, limit time.Duration) {
	before, still := -1, time.Duration(0)
	const step = 2 * time.Millisecond
	for still < limit {
		have, _ := r.distinct()
		if have >= n {
			return
		}
		if have == before {
			still += step
		} else {
			before, still = have, 0
		}
		time.Sleep(step)
	}
}
