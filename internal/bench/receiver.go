package bench

import (
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// receiver is the other side of every scenario and of the raw ceiling: a plain
// net/http server that reads each request, notes which delivery it was and
// answers 204.
type receiver struct {
	server *http.Server
	addr   string
	last   atomic.Int64 // when the last noted request came, unix nanoseconds
	hook   atomic.Pointer[hook]
	heard  atomic.Pointer[func(*http.Request)]
	shards [64]shard
}

// hook sees a request whose body was read before it is noted; false means that
// it was answered, and is not to be noted. The context of the request ends when
// its sender goes.
type hook func(http.ResponseWriter, *http.Request) bool

// onArrival has f called with each request whose body was read, before the
// hook; nil ends that.
func (r *receiver) onArrival(f func(*http.Request)) {
	if f == nil {
		r.heard.Store(nil)
		return
	}
	r.heard.Store(&f)
}

// shard holds the ids of deliveries seen.
type shard struct {
	mu   sync.Mutex
	seen map[string]struct{}
	dups int64
}

func newReceiver() (*receiver, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &receiver{addr: l.Addr().String()}
	r.reset()
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: time.Minute}
	go r.server.Serve(l)
	return r, nil
}

func (r *receiver) close() { r.server.Close() }

// withReceiver lends f a receiver of its own.
func withReceiver[T any](f func(*receiver) (T, error)) (T, error) {
	r, err := newReceiver()
	if err != nil {
		var none T
		return none, err
	}
	defer r.close()
	return f(r)
}

// reset forgets everything seen, and the hook.
func (r *receiver) reset() {
	for i := range r.shards {
		r.shards[i].mu.Lock()
		r.shards[i].seen, r.shards[i].dups = map[string]struct{}{}, 0
		r.shards[i].mu.Unlock()
	}
	r.hook.Store(nil)
}

// ServeHTTP takes one delivery.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	now := time.Now().UnixNano()
	io.Copy(io.Discard, req.Body)
	if f := r.heard.Load(); f != nil {
		(*f)(req)
	}
	if f := r.hook.Load(); f != nil && !(*f)(w, req) {
		return
	}
	id := req.Header.Get("X-Waybell-Delivery")
	s := &r.shards[hash(id)%uint32(len(r.shards))]
	s.mu.Lock()
	if _, again := s.seen[id]; again {
		s.dups++
	} else {
		s.seen[id] = struct{}{}
	}
	s.mu.Unlock()
	r.last.Store(now)
	w.WriteHeader(http.StatusNoContent)
}

// lastAt is when the last request came.
func (r *receiver) lastAt() time.Time { return time.Unix(0, r.last.Load()) }

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
