package egress

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// hangUp is the part of an answer that ends the connection.
const hangUp = ""

// inTurn answers the n-th request, on whichever connection, with the n-th of the
// answers, each given in its parts, a second apart. It runs in a synctest bubble.
func inTurn(answers ...[]string) func(net.Conn) {
	next := 0 // one request at a time
	return func(conn net.Conn) {
		br := bufio.NewReader(conn)
		for {
			req, err := http.ReadRequest(br)
			if err != nil || next == len(answers) {
				return
			}
			if _, err := io.Copy(io.Discard, req.Body); err != nil {
				return
			}
			parts := answers[next]
			next++
			for i, part := range parts {
				if part == hangUp {
					return
				}
				if i > 0 {
					<-time.After(time.Second)
				}
				if _, err := io.WriteString(conn, part); err != nil {
					return
				}
			}
		}
	}
}

// TestHeadsOfOneConnection: an answer is what its own bytes say, whatever was
// answered before on its connection.
func TestHeadsOfOneConnection(t *testing.T) { eachWay(t, testHeadsOfOneConnection) }

func testHeadsOfOneConnection(t *testing.T, netHTTP bool) {
	t.Parallel()
	const two = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
	type outcome struct {
		status    int
		body      string
		truncated bool
		class     Class
	}
	for name, tt := range map[string]struct {
		answers [][]string
		want    []outcome
		dials   int
	}{
		"bodies of one length": {[][]string{{two + "ab"}, {two + "cd"}, {two + "ef"}},
			[]outcome{{200, "ab", false, 0}, {200, "cd", false, 0}, {200, "ef", false, 0}}, 1},
		"the status differs by a digit": {[][]string{{two + "ab"}, {"HTTP/1.1 500 OK\r\nContent-Length: 2\r\n\r\ncd"}, {two + "ef"}},
			[]outcome{{200, "ab", false, 0}, {500, "cd", false, 0}, {200, "ef", false, 0}}, 1},
		"in pieces": {[][]string{{two + "ab"}, {two[:20], two[20:] + "c", "d"}, {two, "ef"}, {two[:len(two)-1], "\ngh"}},
			[]outcome{{200, "ab", false, 0}, {200, "cd", false, 0}, {200, "ef", false, 0}, {200, "gh", false, 0}}, 1},
		"one begins as the other": {[][]string{{"HTTP/1.1 204 No\r\n\r\n"}, {"HTTP/1.1 204 No\r\nA: b\r\n\r\n"}, {"HTTP/1.1 204 No\r\n\r\n"}},
			[]outcome{{204, "", false, 0}, {204, "", false, 0}, {204, "", false, 0}}, 1},
		"the body breaks off": {[][]string{{two + "ab"}, {two + "c"}},
			[]outcome{{200, "ab", false, 0}, {200, "c", true, 0}}, 1},
		"the connection ends in the body": {[][]string{{two + "ab"}, {two + "c", hangUp}, {two + "ef"}},
			[]outcome{{200, "ab", false, 0}, {200, "c", true, 0}, {200, "ef", false, 0}}, 2},
		"the connection ends in the head": {[][]string{{two + "ab"}, {okHead, hangUp}, {two + "ef"}},
			[]outcome{{200, "ab", false, 0}, {0, "", false, ClassConnectionLost}, {200, "ef", false, 0}}, 2},
		"informational answers before": {[][]string{{two + "ab"}, {"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 103 Early\r\n\r\n" + two + "cd"}, {two + "ef"}},
			[]outcome{{200, "ab", false, 0}, {200, "cd", false, 0}, {200, "ef", false, 0}}, 1},
		"the same answer closes": {[][]string{{two + "ab"}, {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\ncd"}, {two + "ef"}},
			[]outcome{{200, "ab", false, 0}, {200, "cd", false, 0}, {200, "ef", false, 0}}, 2},
		"chunked, twice": {[][]string{{okHead + "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"}, {okHead + "Transfer-Encoding: chunked\r\n\r\n2\r\nbc\r\n0\r\n\r\n"}},
			[]outcome{{200, "a", false, 0}, {200, "bc", false, 0}}, 1},
		"line feeds alone, and an empty line in the body": {[][]string{{"HTTP/1.1 200 OK\nContent-Length: 5\n\n\r\n\r\nx"}, {"HTTP/1.1 200 OK\nContent-Length: 5\n\n\r\n\r\ny"}},
			[]outcome{{200, "\r\n\r\nx", false, 0}, {200, "\r\n\r\ny", false, 0}}, 1},
		"something unasked behind the second": {[][]string{{two + "ab"}, {two + "cd" + two + "zz"}, {two + "ef"}},
			[]outcome{{200, "ab", false, 0}, {200, "cd", false, 0}, {200, "ef", false, 0}}, 2},
		"no HTTP after HTTP": {[][]string{{two + "ab"}, {"SSH-2.0-OpenSSH_9.9\r\n\r\n"}, {two + "ef"}},
			[]outcome{{200, "ab", false, 0}, {0, "", false, ClassBadResponse}, {200, "ef", false, 0}}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := &network{serve: inTurn(tt.answers...)}
				c := setup(t, n, Config{NetHTTP: netHTTP})
				for i, want := range tt.want {
					r := c.Do(t.Context(), post(t, c, "http://example.com/hook"))
					class := ClassNone
					if r.Err != nil {
						class = r.Err.Class
					}
					if got := (outcome{r.Status, string(r.Body), r.Truncated, class}); got != want {
						t.Errorf("answer %d: %+v, want %+v", i+1, got, want)
					}
				}
				if n.dials() != tt.dials {
					t.Errorf("%d connections, want %d", n.dials(), tt.dials)
				}
			})
		})
	}
}

// TestHeadIsNotParsedAgain: answers with the same head share what was made of it,
// those with another one do not, nor those of a long one.
func TestHeadIsNotParsedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		date := func(second string) []string {
			return []string{"HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 10:00:0" + second + " GMT\r\nContent-Length: 0\r\n\r\n"}
		}
		long := []string{"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nA: " + strings.Repeat("b", headBytes) + "\r\n\r\n"}
		n := &network{serve: inTurn(date("1"), date("1"), date("2"), date("2"), long, long)}
		c := setup(t, n, Config{})
		var last http.Header
		for i, want := range []bool{false, true, false, true, false, false} {
			r := c.Do(t.Context(), post(t, c, "http://example.com/hook"))
			checkResult(t, r, 200, ClassNone, "")
			if same := reflect.ValueOf(r.Header).Pointer() == reflect.ValueOf(last).Pointer(); same != want {
				t.Errorf("answer %d shares its header with the one before: %v", i+1, same)
			}
			last = r.Header
		}
	})
}

// TestHeadThatIsNotKept: what a receiver makes long, or full of fields, is forgotten
// with its answer, however it comes in.
func TestHeadThatIsNotKept(t *testing.T) {
	t.Parallel()
	for name, parts := range map[string][]string{
		"long":          {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nA: " + strings.Repeat("b", headBytes) + "\r\n\r\nx"},
		"in two pieces": {"H", "TTP/1.1 200 OK\r\nContent-Length: 1\r\nA: " + strings.Repeat("b", 32*kib) + "\r\n\r\nx"},
		"many fields":   {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n" + fields(headFields) + "\r\nx"},
		"no length":     {okHead + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := &network{serve: inTurn(parts)}
				c := setup(t, n, Config{})
				checkResult(t, c.Do(t.Context(), post(t, c, "http://example.com/hook")), 200, ClassNone, "")
				idle := c.idle.oldest
				if idle == nil {
					t.Fatal("the connection is not kept")
				}
				if idle.before.resp != nil {
					t.Errorf("a head of %d fields is kept", len(idle.before.resp.Header))
				}
			})
		})
	}
}

// fields are n short header fields.
func fields(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "a%d:\r\n", i)
	}
	return b.String()
}
