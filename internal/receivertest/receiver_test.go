package receivertest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// client returns a client whose every connection goes to the receiver.
func client(t testing.TB, r *Receiver) *http.Client {
	t.Helper()
	tr := &http.Transport{DialContext: r.DialContext, DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{
		Transport:     tr,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// post sends a body and returns the status and body of the answer.
func post(ctx context.Context, c *http.Client, url, body string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	res, err := c.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	return res.StatusCode, string(got), err
}

func mustPost(t testing.TB, c *http.Client, url, body string) int {
	t.Helper()
	status, _, err := post(t.Context(), c, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return status
}

// both runs a test on loopback and on pipes.
func both(t *testing.T, test func(t *testing.T, o Options)) {
	t.Helper()
	for name, o := range map[string]Options{"loopback": {}, "pipe": {Pipe: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, o)
		})
	}
}

func TestRecordsRequests(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o Options) {
		r := Start(t, o)
		c, err := r.DialContext(t.Context(), "tcp", "elsewhere.example:443")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		in := bufio.NewReader(c)
		before := time.Now()
		for _, request := range []string{
			"POST /hooks?a=1&b=2 HTTP/1.1\r\nhost: a.example\r\nX-b: 2\r\nX-A: 1\r\nx-B:  3 \r\nContent-Length: 5\r\n\r\nhello",
			"PUT /hooks HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: b.example\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: x\r\n\r\n",
			"POST /other HTTP/1.1\r\nHost: c.example\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
		} {
			if _, err := io.WriteString(c, request); err != nil {
				t.Fatal(err)
			}
			if res, err := http.ReadResponse(in, nil); err != nil || res.StatusCode != 200 {
				t.Fatalf("answer %v, %v", res, err)
			}
		}
		if _, err := in.ReadByte(); err != io.EOF {
			t.Errorf("after Connection: close the connection gives %v", err)
		}
		got := r.Requests()
		if len(got) != 3 || r.Count() != 3 {
			t.Fatalf("%d requests kept, %d counted", len(got), r.Count())
		}
		for i, rec := range got {
			if rec.Arrived.Before(before) || rec.Arrived.After(time.Now()) {
				t.Errorf("request %d arrived at %v", i+1, rec.Arrived)
			}
			rec.Arrived = time.Time{}
		}
		want := []*Recorded{
			{Number: 1, Conn: 1, OnConn: 1, Method: "POST", Target: "/hooks?a=1&b=2", Path: "/hooks", Proto: "HTTP/1.1",
				Header: []Field{{"host", "a.example"}, {"X-b", "2"}, {"X-A", "1"}, {"x-B", "3"}, {"Content-Length", "5"}},
				Body:   []byte("hello"), BodySize: 5},
			{Number: 2, Conn: 1, OnConn: 2, Method: "PUT", Target: "/hooks", Path: "/hooks", Proto: "HTTP/1.1",
				Header: []Field{{"Transfer-Encoding", "chunked"}, {"Host", "b.example"}}, Body: []byte("abcde"), BodySize: 5},
			{Number: 3, Conn: 1, OnConn: 3, Method: "POST", Target: "/other", Path: "/other", Proto: "HTTP/1.1",
				Header: []Field{{"Host", "c.example"}, {"Content-Length", "0"}, {"Connection", "close"}}},
		}
		for i := range want {
			if !reflect.DeepEqual(got[i], want[i]) {
				t.Errorf("request %d is\n%+v, want\n%+v", i+1, got[i], want[i])
			}
		}
		if got[0].Get("x-a") != "1" || got[0].Get("X-None") != "" {
			t.Errorf("Get gives %q and %q", got[0].Get("x-a"), got[0].Get("X-None"))
		}
		if h := got[0].Headers(); !reflect.DeepEqual(h.Values("X-B"), []string{"2", "3"}) {
			t.Errorf("Headers has %v", h)
		}
		if n := len(r.RequestsFor("/hooks")); n != 2 || r.StatsFor("/hooks").Requests != 2 || r.StatsFor("/none").Requests != 0 {
			t.Errorf("%d requests for /hooks, stats %+v", n, r.StatsFor("/hooks"))
		}
	})
}

func TestBoundedRecording(t *testing.T) {
	t.Parallel()
	r := Start(t, Options{Keep: 3, MaxBody: 4})
	c := client(t, r)
	for i := range 20 {
		mustPost(t, c, r.URL("/"), fmt.Sprintf("%02d%s", i, strings.Repeat("x", 100_000)))
		if n := len(r.kept); n > 6 {
			t.Fatalf("%d requests held, want at most twice 3", n)
		}
	}
	var got []string
	for _, rec := range r.Requests() {
		got = append(got, fmt.Sprint(rec.Number, " ", string(rec.Body), " ", rec.BodySize))
	}
	if want := []string{"18 17xx 100002", "19 18xx 100002", "20 19xx 100002"}; !reflect.DeepEqual(got, want) {
		t.Errorf("kept %q, want %q", got, want)
	}
}

func TestCountOnly(t *testing.T) {
	t.Parallel()
	r := Start(t, Options{CountOnly: true, Script: func(n int, rec *Recorded) Step {
		if rec.Header != nil || rec.Body != nil || rec.Path != "/p" || rec.Method != "POST" {
			return Answer(500, "")
		}
		return Answer(200+n, "")
	}})
	c := client(t, r)
	for i, size := range []int{0, 1000, 100_000} {
		if status := mustPost(t, c, r.URL("/p?q"), strings.Repeat("x", size)); status != 201+i {
			t.Errorf("status %d for request %d", status, i+1)
		}
	}
	if r.Count() != 3 || len(r.Requests()) != 0 || r.StatsFor("/p").Requests != 3 {
		t.Errorf("%d counted, %d kept, %+v", r.Count(), len(r.Requests()), r.StatsFor("/p"))
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	for _, countOnly := range []bool{false, true} {
		bad := errors.New("bad signature")
		r := Start(t, Options{
			CountOnly: countOnly,
			Verify: func(h http.Header, body []byte) error {
				if h.Get("Content-Length") != "4" || string(body) != "good" || h.Get("Host") == "" {
					return bad
				}
				return nil
			},
			Script: func(_ int, rec *Recorded) Step {
				if rec.VerifyErr != nil {
					return Answer(401, "")
				}
				return Answer(204, "")
			},
		})
		c := client(t, r)
		for body, want := range map[string]int{"good": 204, "evil": 401} {
			if status := mustPost(t, c, r.URL("/"), body); status != want {
				t.Errorf("%q is answered %d, want %d", body, status, want)
			}
		}
		if r.Unverified() != 1 {
			t.Errorf("%d unverified, want 1", r.Unverified())
		}
	}
}

func TestScripts(t *testing.T) {
	t.Parallel()
	r := Start(t, Options{Script: Always(Answer(404, "nobody"))})
	c := client(t, r)
	r.Handle("/seq", Sequence(Answer(500, ""), RetryAfter(503, 90*time.Second), Answer(200, "ok")))
	r.Handle("/none", Sequence())
	for i, want := range []int{500, 503, 200, 200} {
		if status := mustPost(t, c, r.URL("/seq"), ""); status != want {
			t.Errorf("request %d: %d, want %d", i+1, status, want)
		}
	}
	for path, want := range map[string]int{"/": 404, "/seq/": 404, "/seq?x=1": 200, "/none": 200} {
		if status := mustPost(t, c, r.URL(path), ""); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
	r.Handle("/seq", Always(Answer(410, "")))
	if status := mustPost(t, c, r.URL("/seq"), ""); status != 410 {
		t.Errorf("a replaced script answers %d", status)
	}
}

func TestWait(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o Options) {
		r := Start(t, o)
		c := client(t, r)
		var waiters sync.WaitGroup
		for _, n := range []int{0, 1, 2, 10} {
			waiters.Go(func() {
				if err := r.Wait(t.Context(), n); err != nil || len(r.Requests()) < n {
					t.Errorf("Wait(%d): %v, %d requests", n, err, len(r.Requests()))
				}
			})
		}
		waiters.Go(func() {
			err := r.WaitFor(t.Context(), func() bool { return r.StatsFor("/3").Requests > 0 })
			if err != nil || r.Count() < 4 {
				t.Errorf("WaitFor: %v, %d requests", err, r.Count())
			}
		})
		for i := range 10 {
			mustPost(t, c, fmt.Sprint(r.URL("/"), i), "")
		}
		waiters.Wait()
		if err := r.WaitIdle(t.Context(), 10); err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errors.New("enough"))
		for _, err := range []error{r.Wait(ctx, 11), r.WaitFor(ctx, func() bool { return false })} {
			if err == nil || !strings.Contains(err.Error(), "10") || !strings.Contains(err.Error(), "enough") {
				t.Errorf("a canceled wait gives %v", err)
			}
		}
		r.waits.mu.Lock()
		defer r.waits.mu.Unlock()
		if len(r.waits.all) != 0 {
			t.Errorf("%d waiters are left", len(r.waits.all))
		}
	})
}

func TestInFlight(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o Options) {
		r := Start(t, o)
		c := client(t, r)
		release := make(chan struct{})
		r.Handle("/slow", Always(Gate(release, Answer(200, ""))))
		var senders sync.WaitGroup
		for range 5 {
			senders.Go(func() { mustPost(t, c, r.URL("/slow"), "") })
		}
		if err := r.Wait(t.Context(), 5); err != nil {
			t.Fatal(err)
		}
		mustPost(t, c, r.URL("/quick"), "")
		if got, want := r.StatsFor("/slow"), (Stats{5, 5, 5}); got != want {
			t.Errorf("slow path %+v, want %+v", got, want)
		}
		close(release)
		senders.Wait()
		if got, want := r.StatsFor("/slow"), (Stats{5, 0, 5}); got != want {
			t.Errorf("slow path %+v after the end, want %+v", got, want)
		}
		if got, want := r.StatsFor("/quick"), (Stats{1, 0, 1}); got != want {
			t.Errorf("quick path %+v, want %+v", got, want)
		}
		if got, want := r.Stats(), (Stats{6, 0, 6}); got != want {
			t.Errorf("all paths %+v, want %+v", got, want)
		}
	})
}

// One request after the other, each on a connection of its own, is never seen
// as two at once.
func TestInFlightDoesNotOverlap(t *testing.T) {
	t.Parallel()
	r := Start(t, Options{CountOnly: true})
	tr := &http.Transport{DialContext: r.DialContext, DisableKeepAlives: true}
	c := &http.Client{Transport: tr}
	for range 300 {
		mustPost(t, c, r.URL("/"), "x")
	}
	if got := r.Stats().MaxInFlight; got != 1 {
		t.Errorf("%d in flight, want 1", got)
	}
	if got := r.Conns().Accepted; got != 300 {
		t.Errorf("%d connections, want 300", got)
	}
}

func TestCutConnections(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o Options) {
		r := Start(t, o)
		c := client(t, r)
		r.Handle("/hang", Always(Hang()))
		failed := make(chan error)
		go func() {
			_, _, err := post(t.Context(), c, r.URL("/hang"), "x")
			failed <- err
		}()
		if err := r.Wait(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		r.CutConnections()
		if err := <-failed; err == nil {
			t.Error("a cut request succeeds")
		}
		if err := r.WaitFor(t.Context(), func() bool { return r.Conns().Open == 0 }); err != nil {
			t.Error(err)
		}
		if status := mustPost(t, c, r.URL("/"), ""); status != 200 {
			t.Errorf("status %d afterwards", status)
		}
	})
}

func TestClose(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, o Options) {
		o.Script = Always(Hang())
		r := Start(t, o)
		c := client(t, r)
		failed := make(chan error)
		go func() {
			_, _, err := post(t.Context(), c, r.URL("/"), "x")
			failed <- err
		}()
		if err := r.Wait(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		r.Close()
		r.Close()
		if err := <-failed; err == nil {
			t.Error("the request succeeds")
		}
		if _, err := r.DialContext(t.Context(), "tcp", r.Addr()); err == nil {
			t.Error("a closed receiver accepts connections")
		}
		if got := r.Conns().Open; got != 0 {
			t.Errorf("%d connections are open", got)
		}
	})
}

func TestPipeDialCanceled(t *testing.T) {
	t.Parallel()
	l := NewListener() // nobody accepts
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.DialContext(ctx, "tcp", "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("dial gives %v", err)
	}
}

// A day passes in a bubble.
func TestBubble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := Start(t, Options{Pipe: true, Script: Sequence(After(24*time.Hour, Answer(503, "")), Drip(200, "slow", time.Hour), Hang())})
		c := client(t, r)
		start := time.Now()
		if status := mustPost(t, c, r.URL("/"), "a"); status != 503 || time.Since(start) != 24*time.Hour {
			t.Errorf("%d after %v", status, time.Since(start))
		}
		status, body, err := post(t.Context(), c, r.URL("/"), "b")
		if status != 200 || body != "slow" || err != nil || time.Since(start) != 28*time.Hour {
			t.Errorf("%d %q %v after %v", status, body, err, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, _, err := post(ctx, c, r.URL("/"), "c"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a hanging request gives %v", err)
		}
		if err := r.WaitIdle(t.Context(), 3); err != nil {
			t.Error(err)
		}
		for i, want := range []time.Duration{0, 24 * time.Hour, 28 * time.Hour} {
			if got := r.Requests()[i].Arrived.Sub(start); got != want {
				t.Errorf("request %d arrived after %v, want %v", i+1, got, want)
			}
		}
	})
}

// selfSigned makes a certificate for receiver.test and 127.0.0.1.
func selfSigned(t *testing.T) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{"receiver.test"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		NotAfter:     time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(parsed)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, pool
}

func TestTLS(t *testing.T) {
	t.Parallel()
	config, pool := selfSigned(t)
	both(t, func(t *testing.T, o Options) {
		o.TLS = config
		o.Script = Sequence(After(time.Millisecond, Answer(200, "")), Reset())
		r := Start(t, o)
		if !strings.HasPrefix(r.URL("/"), "https://") {
			t.Errorf("URL %s", r.URL("/"))
		}
		c := client(t, r)
		c.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: pool}
		if status := mustPost(t, c, r.URL("/"), "x"); status != 200 {
			t.Errorf("status %d", status)
		}
		if _, _, err := post(t.Context(), c, r.URL("/"), "x"); err == nil {
			t.Error("a reset gives no error")
		}
	})
}

// complaints is a test that collects its errors.
type complaints struct {
	testing.TB
	mu  sync.Mutex
	all []string
}

func (c *complaints) Errorf(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, fmt.Sprintf(format, args...))
}

func TestMalformedRequests(t *testing.T) {
	t.Parallel()
	tests := []struct{ request, complaint string }{
		{"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "0 Host fields"},
		{"POST / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n", "2 Host fields"},
		{"POST / HTTP/1.1\nHost: a\r\n\r\n", "CR LF"},
		{"POST / HTTP/1.1\r\nHost: a\rb\r\n\r\n", "CR LF"},
		{"POST / HTTP/2\r\nHost: a\r\n\r\n", "protocol"},
		{"POST  / HTTP/1.1\r\nHost: a\r\n\r\n", "request line"},
		{"POST http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "request line"},
		{"POST /#x HTTP/1.1\r\nHost: a\r\n\r\n", "request line"},
		{"PO(ST / HTTP/1.1\r\nHost: a\r\n\r\n", "request line"},
		{"hello\r\n\r\n", "request line"},
		{"POST / HTTP/1.1\r\nHost : a\r\n\r\n", "header line"},
		{"POST / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", "header line"},
		{"POST / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", "header line"},
		{"POST / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n", "control character"},
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", "Content-Length"},
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", "Content-Length"},
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "both"},
		{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", "Transfer-Encoding"},
		{"POST /" + strings.Repeat("a", maxLine) + " HTTP/1.1\r\nHost: a\r\n\r\n", "a line of more"},
		{"POST / HTTP/1.1\r\n" + strings.Repeat("X: "+strings.Repeat("a", 8000)+"\r\n", 132) + "\r\n", "a head of more"},

		{"", ""},
		{"POST / HT", ""},
		{"POST / HTTP/1.1\r\nHost: a\r\n", ""},
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhello", ""},
		{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", ""},
	}
	for _, tt := range tests {
		seen := &complaints{TB: t}
		r := Start(seen, Options{})
		c, err := r.DialContext(t.Context(), "tcp", "")
		if err != nil {
			t.Fatal(err)
		}
		// The receiver may have seen enough before it has all: no error counts.
		io.WriteString(c, tt.request)
		c.(*net.TCPConn).CloseWrite()
		got, _ := io.ReadAll(c)
		c.Close()
		r.Close()
		if r.Count() != 0 {
			t.Errorf("%.60q is taken for a request", tt.request)
		}
		if tt.complaint == "" {
			if len(seen.all) != 0 || len(got) != 0 {
				t.Errorf("%.60q breaks off, complaints %q, answer %q", tt.request, seen.all, got)
			}
			continue
		}
		if len(seen.all) != 1 || !strings.Contains(seen.all[0], tt.complaint) {
			t.Errorf("%.60q: complaints %q, want %q", tt.request, seen.all, tt.complaint)
		}
		if len(got) > 0 && !bytes.HasPrefix(got, []byte("HTTP/1.1 400 ")) {
			t.Errorf("%.60q is answered %q", tt.request, got)
		}
	}
}

func TestExpectContinue(t *testing.T) {
	t.Parallel()
	r := Start(t, Options{})
	c := client(t, r)
	c.Transport.(*http.Transport).ExpectContinueTimeout = time.Hour
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.URL("/"), strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Expect", "100-continue")
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if got := string(r.Requests()[0].Body); got != "body" {
		t.Errorf("body %q", got)
	}
}
