package plainhttp

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// patient reads the body and answers after some seconds, or tells at once that the
// client has gone.
func patient(gone chan<- time.Time) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/unread") {
			defer echo(w, r)
		} else {
			io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "text/plain")
		}
		if strings.HasSuffix(r.URL.Path, "/quick") {
			return
		}
		select {
		case <-r.Context().Done():
			gone <- time.Now()
		case <-time.After(10 * time.Second):
		}
	}
}

// TestClientGoes: who goes away before the answer ends the context of the request, as
// with net/http's server, unless so much came behind it that nothing more can be read.
func TestClientGoes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		request string
		after   time.Duration
		within  time.Duration // after it went; 0: never
	}{
		{"at once", post("slow", "hello"), 0, 2 * time.Second},
		{"without a body", post("slow", ""), 0, 2 * time.Second},
		{"while it is watched", post("slow", "hello"), 5 * time.Second, time.Millisecond},
		{"from net/http's server", handedOver(post("slow", "hello")), 5 * time.Second, time.Millisecond},
		{"with a body that nobody reads", post("unread", "hello"), time.Second, 0},
		{"with another request behind it", post("slow", "hello") + post("quick", "hello"), time.Second, 2 * time.Second},
		{"with too much behind it", post("slow", "hello") + strings.Repeat("a", headBytes-len(post("slow", "hello"))), time.Second, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				gone := make(chan time.Time, 1)
				c := setup(t, patient(gone)).dial(t)
				if _, err := io.WriteString(c, tc.request); err != nil {
					t.Fatal(err)
				}
				<-time.After(tc.after)
				c.Close()
				left := time.Now()
				select {
				case at := <-gone:
					if took := at.Sub(left); tc.within == 0 || took > tc.within {
						t.Errorf("the context ended after %v", took)
					}
				case <-time.After(time.Minute):
					if tc.within != 0 {
						t.Error("the context never ended")
					}
				}
			})
		})
	}
}

// TestWatched: a connection that was watched goes on as any other, also with what came
// meanwhile.
func TestWatched(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name          string
		early, rounds int
	}{
		{"later", 0, 3},
		{"all meanwhile", 1000, 3},
		{"a piece meanwhile", 20, 1}, // net/http's from then on
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := setup(t, patient(make(chan time.Time, 1)))
				c := s.dial(t)
				next := post("quick", "hello")
				early := min(tc.early, len(next))
				for range tc.rounds {
					if _, err := io.WriteString(c, post("slow", "hello")); err != nil {
						t.Fatal(err)
					}
					<-time.After(4 * time.Second)
					if _, err := io.WriteString(c, next[:early]); err != nil {
						t.Fatal(err)
					}
					if got := c.answer(t); got != "200 " {
						t.Fatalf("got %s", got)
					}
					if early < len(next) {
						io.WriteString(c, next[early:]) //nolint:errcheck // there is no answer then
					}
					if got := c.answer(t); got != "200 " {
						t.Fatalf("then got %s", got)
					}
				}
				if took := c.ends(t); took < idleTime-deadlineStep || took > idleTime {
					t.Errorf("idle for %v", took)
				}
			})
		})
	}
}

// TestWatchedPanic: a handler that panics while its connection is watched ends that one
// only, and leaves nothing behind.
func TestWatchedPanic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := setup(t, func(w http.ResponseWriter, r *http.Request) {
			echo(w, r)
			<-time.After(5 * time.Second)
			panic(http.ErrAbortHandler)
		})
		c := s.dial(t)
		if _, err := io.WriteString(c, post("slow", "hello")); err != nil {
			t.Fatal(err)
		}
		if took := c.ends(t); took != 5*time.Second {
			t.Errorf("it ended after %v", took)
		}
	})
}
