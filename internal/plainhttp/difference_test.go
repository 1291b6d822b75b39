package plainhttp

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// talk is what a client sends on one connection. A piece is sent when the server has
// read those before.
type talk struct {
	name    string
	send    []string
	answers int
	handed  bool // the connection goes to net/http's server
}

// post is a plain request to /plain/ and what to do there.
func post(do, body string, lines ...string) string {
	head := "POST /plain/" + do + " HTTP/1.1\r\nHost: a.example\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n"
	for _, l := range lines {
		head += l + "\r\n"
	}
	return head + "\r\n" + body
}

// pieces cuts text into pieces of n bytes.
func pieces(text string, n int) (out []string) {
	for p := range slices.Chunk([]byte(text), n) {
		out = append(out, string(p))
	}
	return out
}

var (
	// A body of exactly 256 KiB that is not read is read here, but not by net/http.
	large  = strings.Repeat("0123456789abcdef", 16<<10)[1:]
	hello  = post("echo", "hello")
	onward = func(first string, more ...string) []string { return append([]string{first}, more...) }
)

var talks = []talk{
	{"one", []string{hello}, 1, false},
	{"three, one after the other", []string{hello, post("echo", "again"), post("echo", "")}, 3, false},
	{"two in one piece", []string{hello + post("echo", "again")}, 2, false},
	{"many in one piece", []string{strings.Repeat(hello, 40)}, 40, false},
	{"two in one piece, the first without a body", []string{post("echo", "") + hello}, 2, false},
	{"two, cut in the second's body", []string{hello + hello[:len(hello)-2], "lo"}, 2, false},
	{"a body in pieces", append(pieces(hello, len(hello)-5)[:1], pieces("hello", 1)...), 1, false},
	{"a body of 256 KiB", []string{post("echo", large), hello}, 2, false},
	{"a body of 256 KiB in pieces", append(pieces(post("echo", large), 50_000), hello), 2, false},
	{"a body that ends with what is read at once", []string{post("echo", strings.Repeat("a", headBytes-len(post("echo", ""))-3)), hello}, 2, false},
	{"names in lower case", []string{"POST /plain/echo HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\nx-a: b\r\n\r\nc"}, 1, false},
	{"repeated fields", []string{post("echo", "a", "X-A: 1", "x-a: 2", "X-B: 3", "X-a:", "Cookie: a=b", "Cookie: c=d")}, 1, false},
	{"keep-alive", []string{post("echo", "a", "Connection: keep-alive"), hello}, 2, false},
	{"fewer fields after more", []string{post("echo", "a", "X-A: 1", "X-B: 2"), post("echo", "b", "X-B: 3"), post("trace", "c")}, 3, false},
	{"the body is not read", []string{post("ignore", "hello"), hello}, 2, false},
	{"a large body is not read", []string{post("ignore", large) + hello}, 2, false},
	{"a body is not read that comes later", onward(post("ignore", large)[:4000], post("ignore", large)[4000:], hello), 2, false},
	{"half a body is read", []string{post("half", large), hello}, 2, false},
	{"close, with the body unread", []string{post("close", "hello")}, 1, false},
	{"close, with a large body unread", []string{post("close", large)}, 1, false},
	{"close, with a large body on its way", pieces(post("close", large), 150_000), 1, false},
	{"close, and a request behind", []string{post("shut", "hello") + hello}, 1, false},
	{"every status", []string{post("202", ""), post("204", ""), post("304", "a"), post("400", "b"), post("500", ""), post("503", ""), hello}, 7, false},
	{"nothing is written", []string{post("nothing", "hello"), hello}, 2, false},
	{"a large answer", []string{post("large", ""), post("large", "a"), hello}, 3, false},
	{"line ends in a field", []string{post("newline", ""), hello}, 2, false},
	{"an answer with its own length and close", []string{post("shut", "a")}, 1, false},
	{"the status after the body", []string{post("late", "a"), hello}, 2, false},
	{"the client ends in a body", []string{hello[:len(hello)-1]}, 0, false},
	{"a panic", []string{post("panic", "hello")}, 0, false},
	{"a panic after an answer", []string{hello, post("panic", "hello")}, 1, false},

	{"a head in pieces", pieces(hello, 9), 1, true},
	{"a head byte by byte", pieces(hello, 1), 1, true},
	{"a plain one after one in pieces", append(pieces(hello, 40), hello), 2, true},
	{"two in one piece, cut in the second's head", []string{hello + hello[:20], hello[20:]}, 2, true},
	{"more in one piece than are read at once", []string{strings.Repeat(hello, 200)}, 200, true},
	{"100-continue", []string{post("echo", "", "Expect: 100-continue")}, 1, true},
	{"100-continue, and the body", onward(strings.TrimSuffix(post("echo", "hello", "Expect: 100-continue"), "hello"), "hello", hello), 3, true},
	{"chunked", []string{strings.Replace(post("echo", "", "Transfer-Encoding: chunked"), "Content-Length: 0\r\n", "", 1) + "5\r\nhello\r\n0\r\n\r\n", hello}, 2, true},
	{"chunked, with a trailer", []string{strings.Replace(post("echo", "", "Transfer-Encoding: chunked", "Trailer: X-T"), "Content-Length: 0\r\n", "", 1) + "1\r\na\r\n0\r\nX-T: b\r\n\r\n", hello}, 2, true},
	{"chunked, and a length", []string{post("echo", "5\r\nhello\r\n0\r\n\r\n", "Transfer-Encoding: chunked")}, 1, true},
	{"chunked by a proxy that hides it", []string{post("echo", "0\r\n\r\n"+hello, "Transfer-Encoding: xchunked")}, 1, true},
	{"Connection: close", []string{post("echo", "hello", "Connection: close")}, 1, true},
	{"HTTP/1.0", []string{strings.Replace(hello, "1.1", "1.0", 1)}, 1, true},
	{"HTTP/1.0 with keep-alive", []string{strings.Replace(post("echo", "a", "Connection: keep-alive"), "1.1", "1.0", 1), hello}, 2, true},
	{"another path, then plain", []string{strings.Replace(hello, "/plain", "/other", 1), hello}, 2, true},
	{"plain, another path, plain", []string{hello + strings.Replace(hello, "/plain", "/other", 1) + hello}, 3, true},
	{"GET, then plain", []string{"GET /plain/echo HTTP/1.1\r\nHost: a\r\n\r\n", hello}, 2, true},
	{"plain, then HEAD", []string{hello, "HEAD /plain/large HTTP/1.1\r\nHost: a\r\n\r\n"}, 1, true},
	{"a query", []string{strings.Replace(hello, "/echo", "/echo?a=b", 1)}, 1, true},
	{"an escaped path", []string{strings.Replace(hello, "/echo", "/a%2fb", 1)}, 1, true},
	{"an absolute URL", []string{strings.Replace(hello, "/plain", "http://b.example/plain", 1)}, 1, true},
	{"a head of 5 KiB", []string{post("echo", "a", "X-A: "+strings.Repeat("b", 5<<10)), hello}, 2, true},
	{"a head that is too large", []string{post("echo", "a", "X-A: "+strings.Repeat("b", 8<<10))}, 1, true},
	{"a body above 256 KiB", []string{post("echo", "a"+large+"a"), hello}, 2, true},
	{"a body above 256 KiB that is not read", []string{post("ignore", "a"+large+"a")}, 1, true},
	{"an empty line behind the body", []string{hello + "\r\n" + hello, hello}, 3, false},
	{"an empty line behind the body, alone", []string{hello, "\r\n", hello}, 2, false},
	{"an empty line behind the body in two pieces", []string{hello, "\r", "\n" + hello}, 2, false},
	{"two empty lines behind the body", []string{hello + "\r\n\r\n" + hello, hello}, 3, false},
	{"three empty lines behind the body", []string{hello + "\r\n\r\n\r\n" + hello}, 2, true},
	{"an empty line first", []string{"\r\n" + hello}, 1, true},
	{"bytes above the length", []string{hello + "more" + hello}, 2, true},
	{"the same length twice", []string{post("echo", "hello", "Content-Length: 5"), hello}, 2, true},
	{"two lengths", []string{post("echo", "hello", "Content-Length: 6")}, 1, true},
	{"a length with a plus", []string{strings.Replace(hello, ": 5", ": +5", 1)}, 1, true},
	{"a length with a zero", []string{strings.Replace(hello, ": 5", ": 05", 1), hello}, 2, true},
	{"no length", []string{strings.Replace(hello, "Content-Length: 5\r\n", "", 1)}, 1, true},
	{"a blank before a colon", []string{post("echo", "a", "X-A : b")}, 1, true},
	{"a continued line", []string{post("echo", "a", "X-A: b", " c"), hello}, 2, true},
	{"bare line feeds", []string{strings.ReplaceAll(hello, "\r\n", "\n"), hello}, 2, true},
	{"a zero in a value", []string{post("echo", "a", "X-A: b\x00")}, 1, true},
	{"a value above ASCII", []string{post("echo", "a", "X-A: é"), hello}, 2, true},
	{"two hosts", []string{post("echo", "a", "Host: b.example")}, 1, true},
	{"no host", []string{strings.Replace(hello, "Host: a.example\r\n", "", 1)}, 1, true},
	{"an empty host", []string{strings.Replace(hello, " a.example", "", 1), hello}, 2, true},
	{"no HTTP", []string{"hello\r\n\r\n"}, 1, true},
	{"HTTP/2", []string{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"}, 1, true},
	{"the client ends in a head", []string{hello[:20]}, 0, true},
	{"the client says nothing", []string{}, 0, false},
}

// TestDifference: a client and the handler see nothing but net/http's server.
func TestDifference(t *testing.T) {
	t.Parallel()
	for _, tt := range talks {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			want, _ := tt.run(t, func(s *http.Server) front { return s })
			got, handed := tt.run(t, func(s *http.Server) front {
				return &Server{Standard: s, Plain: func(path string) bool { return strings.HasPrefix(path, "/plain/") }}
			})
			if got != want {
				t.Errorf("got\n%.3000s\nwant\n%.3000s", got, want)
			}
			if handed != tt.handed {
				t.Errorf("handed over: %v, want %v", handed, tt.handed)
			}
		})
	}
}

// front is a server of this package or of net/http.
type front interface {
	Serve(net.Listener) error
	Close() error
}

// run has a talk with a server, and returns what came back and what the handler saw.
func (tt *talk) run(t *testing.T, choose func(*http.Server) front) (text string, handed bool) {
	t.Helper()
	var (
		mu   sync.Mutex
		seen bytes.Buffer
		news atomic.Int32
	)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	std := &http.Server{
		ReadHeaderTimeout: time.Minute, ReadTimeout: time.Minute, WriteTimeout: time.Minute, IdleTimeout: time.Minute,
		MaxHeaderBytes: 6 << 10, // and 4 KiB, with net/http
		ErrorLog:       log.New(io.Discard, "", 0),
		ConnState: func(_ net.Conn, s http.ConnState) {
			if s == http.StateNew {
				news.Add(1)
			}
		},
	}
	std.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		fmt.Fprintf(&seen, "%s %s %q %+v, Host %q, %q, %d bytes, %v, close %v, from %s, here %v, at %v\n",
			r.Method, r.Proto, r.RequestURI, *r.URL, r.Host, r.Header, r.ContentLength, r.TransferEncoding, r.Close, host,
			r.Context().Value(http.ServerContextKey) == std, r.Context().Value(http.LocalAddrContextKey).(net.Addr).String() == l.Addr().String())
		answerAs(w, r, &seen)
	})
	s := choose(std)
	read := &readListener{Listener: l, progress: make(chan struct{}, 1)}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(read) }()
	text = tt.speak(t, l.Addr().String(), read)
	s.Close()
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		t.Errorf("Serve: %v", err)
	}
	mu.Lock()
	defer mu.Unlock()
	return text + seen.String(), news.Load() > 0
}

// speak is the client's side.
func (tt *talk) speak(t *testing.T, addr string, server *readListener) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(30 * time.Second))
	sent := make(chan error, 1)
	go func() {
		total := int64(0)
		for _, piece := range tt.send {
			for server.total.Load() < total {
				<-server.progress
			}
			if _, err := io.WriteString(c, piece); err != nil {
				sent <- err
				return
			}
			total += int64(len(piece))
		}
		sent <- nil
	}()
	var out, raw bytes.Buffer
	in := bufio.NewReader(io.TeeReader(c, &raw))
	at := 0
	for range tt.answers {
		r, err := http.ReadResponse(in, nil)
		if err == nil {
			_, err = io.Copy(io.Discard, r.Body)
		}
		end := raw.Len() - in.Buffered()
		fmt.Fprintf(&out, "%s%v\n", shown(t, raw.Bytes()[at:end]), err)
		at = end
	}
	if err := <-sent; err != nil {
		fmt.Fprintf(&out, "sending failed\n")
	}
	c.(*net.TCPConn).CloseWrite()
	rest, err := io.ReadAll(in)
	fmt.Fprintf(&out, "%d bytes behind, %v\n", len(rest), err != nil)
	return out.String()
}

// shown is an answer with its fields in order and its Date, which must be one, left out.
func shown(t *testing.T, answer []byte) string {
	t.Helper()
	head, body, _ := strings.Cut(string(answer), "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	for i, l := range lines {
		if date, ok := strings.CutPrefix(l, "Date: "); ok {
			if at, err := time.Parse(http.TimeFormat, date); err != nil || time.Since(at).Abs() > time.Minute {
				t.Errorf("the date is %q", date)
			}
			lines[i] = "Date"
		}
	}
	slices.Sort(lines[1:])
	if len(body) > 1000 {
		body = fmt.Sprintf("%d bytes, %x", len(body), body[len(body)-8:])
	}
	return fmt.Sprintf("%q\n%q\n", lines, body)
}

// answerAs does what the last name of the path says, and echoes the request by default.
func answerAs(w http.ResponseWriter, r *http.Request, seen io.Writer) {
	do := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	if do != "nothing" && do != "304" { // with which net/http sends none
		w.Header().Set("Content-Type", "text/plain")
	}
	w.Header()["X-Answer"] = []string{do, "b", do}
	switch do {
	case "ignore":
		w.WriteHeader(http.StatusAccepted)
		io.WriteString(w, "ignored")
		return
	case "close":
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		io.WriteString(w, "too large")
		return
	case "half":
		io.CopyN(io.Discard, r.Body, r.ContentLength/2)
		io.WriteString(w, "half")
		return
	}
	body, err := io.ReadAll(r.Body)
	fmt.Fprintf(seen, "body of %d bytes %.20q, %v, trailer %v\n", len(body), body, err, r.Trailer)
	if err != nil {
		w.Header().Set("Connection", "close")
	}
	switch status, _ := strconv.Atoi(do); {
	case status == http.StatusNoContent || status == http.StatusNotModified:
		w.WriteHeader(status)
		_, err := io.WriteString(w, "a")
		fmt.Fprintln(seen, err)
	case status != 0:
		w.WriteHeader(status)
		w.WriteHeader(http.StatusTeapot) // too late
		fmt.Fprintf(w, "status %d", status)
	case do == "nothing":
	case do == "large":
		w.Header().Set("Content-Length", strconv.Itoa(4*len(large)))
		for range 4 {
			io.WriteString(w, large)
		}
	case do == "newline":
		w.Header()["X-A"] = []string{"b\r\nX-Evil: c\r\n\r\nd", " e\n", "f\r"}
		w.Header()["X Bad\r\nX-Evil"] = []string{"g"}
	case do == "shut":
		w.Header().Set("Connection", "close")
		w.Header().Set("Content-Length", "4")
		io.WriteString(w, "shut")
	case do == "late":
		io.WriteString(w, "late")
		w.WriteHeader(http.StatusTeapot)
	case do == "panic":
		panic(http.ErrAbortHandler)
	default:
		w.Write(body[:min(len(body), 1000)])
	}
}

// readListener counts what its one connection reads.
type readListener struct {
	net.Listener
	total    atomic.Int64
	progress chan struct{}
}

func (l *readListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &readConn{c.(*net.TCPConn), l}, nil
}

type readConn struct {
	*net.TCPConn
	l *readListener
}

func (c *readConn) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	c.l.total.Add(int64(n))
	select {
	case c.l.progress <- struct{}{}:
	default:
	}
	return n, err
}
