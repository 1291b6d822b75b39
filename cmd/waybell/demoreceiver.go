package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/waybell/waybell/signature"
)

// demoReceiver is what a customer would run: it verifies every signature that a
// request carries and answers. Now and then it answers 503, as services do.
type demoReceiver struct {
	base   string
	server *http.Server

	mu        sync.Mutex
	rng       *rand.Rand
	verifiers map[string][]*signature.Verifier // by profile
	verdicts  map[string]bool                  // by delivery and attempt, until asked for
	requests  int

	good, bad atomic.Int64
}

// startDemoReceiver listens on a free port of loopback.
func startDemoReceiver(seed uint64) (*demoReceiver, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &demoReceiver{
		base: "http://" + l.Addr().String(), rng: rand.New(rand.NewPCG(seed, 1)),
		verifiers: map[string][]*signature.Verifier{}, verdicts: map[string]bool{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /hooks/{profile}", r.receive)
	r.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go r.server.Serve(l) //nolint:errcheck // it ends with close
	return r, nil
}

func (r *demoReceiver) url(profile string) string { return r.base + "/hooks/" + profile }

func (r *demoReceiver) close() { r.server.Close() } //nolint:errcheck // nothing depends on it

// expect tells the secret of an endpoint. A format's own header is checked, and
// the standard one that every format sends besides.
func (r *demoReceiver) expect(profile, text string) error {
	secret, err := signature.ParseSecret(text)
	if err != nil {
		return err
	}
	own, ok := signature.Builtin(profile)
	if !ok {
		return fmt.Errorf("there is no scheme %q", profile)
	}
	schemes := []signature.Scheme{own}
	if own != signature.Standard() {
		schemes = append(schemes, signature.Standard())
	}
	var verifiers []*signature.Verifier
	for _, scheme := range schemes {
		v, err := signature.NewVerifier(scheme, secret)
		if err != nil {
			return err
		}
		verifiers = append(verifiers, v)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.verifiers[profile] = verifiers
	return nil
}

// receive answers one request.
func (r *demoReceiver) receive(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, 16<<20))
	if err != nil {
		http.Error(w, "the body did not arrive", http.StatusBadRequest)
		return
	}
	attempt, err := strconv.Atoi(req.Header.Get("X-Waybell-Attempt"))
	if err != nil {
		http.Error(w, "no attempt number", http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	verifiers := r.verifiers[req.PathValue("profile")]
	r.mu.Unlock()
	verified := len(verifiers) > 0
	for _, v := range verifiers {
		verified = verified && v.Verify(req.Header, body, time.Now()) == nil
	}
	fail, work := r.decide(verdictKey(req.Header.Get("X-Waybell-Delivery"), attempt), verified, attempt)
	select { // a service has something to do
	case <-time.After(work):
	case <-req.Context().Done():
	}
	switch {
	case !verified:
		http.Error(w, "the signature is wrong", http.StatusUnauthorized)
	case fail:
		http.Error(w, "busy, try again", http.StatusServiceUnavailable)
	default:
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintln(w, `{"received":true}`)
	}
}

// decide keeps the verdict and tells whether this request fails, and how long
// it takes. The fourth first attempt fails, then every ninth, so that a retry is
// seen early; one in three of those fails once more.
func (r *demoReceiver) decide(key string, verified bool, attempt int) (fail bool, work time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.verdicts[key] = verified
	if verified {
		r.good.Add(1)
	} else {
		r.bad.Add(1)
	}
	switch attempt {
	case 1:
		r.requests++
		fail = r.requests%9 == 4
	case 2:
		fail = r.rng.IntN(3) == 0
	}
	return fail, time.Duration(2+r.rng.IntN(25)) * time.Millisecond
}

func verdictKey(delivery string, attempt int) string {
	return delivery + "/" + strconv.Itoa(attempt)
}

// verification is what the receiver found about an attempt.
type verification int

const (
	notReceived verification = iota
	verified
	notVerified
)

// verdict tells, once, what the receiver found. It is known before the service
// has the answer.
func (r *demoReceiver) verdict(delivery string, attempt int) verification {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := verdictKey(delivery, attempt)
	ok, received := r.verdicts[key]
	delete(r.verdicts, key)
	switch {
	case !received:
		return notReceived
	case ok:
		return verified
	}
	return notVerified
}
