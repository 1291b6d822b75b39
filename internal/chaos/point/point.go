// Package point ends its own process at a named point, as kill -9 does. Nothing
// that is shipped imports it: the tests of faults build a binary of their own, in
// which calls of this package are laid over the source (go build -overlay), see
// internal/chaos.
//
// Which point it is the environment says. A process that names none, or one that
// is never passed, lives on.
package point

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// The variables. Waybell refuses those of its own prefix that it does not know.
const (
	// Env names the point and the pass at which the process ends, from 1:
	// "settle.before:3".
	Env = "CHAOS_POINT"
	// EnvAfter is for how long, from the process's first look at a point, passes
	// do not count: a duration.
	EnvAfter = "CHAOS_AFTER"
	// EnvDead is after how long without a heartbeat a node counts as dead, in
	// place of what the store says: a duration.
	EnvDead = "CHAOS_DEAD"
)

// plan is what the environment says.
type plan struct {
	name  string
	pass  int64
	after time.Time
}

// planned is read once: the environment is that of the process.
var planned = sync.OnceValue(func() plan {
	name, pass, _ := strings.Cut(os.Getenv(Env), ":")
	n, _ := strconv.ParseInt(pass, 10, 64) // the first one by default
	after, _ := time.ParseDuration(os.Getenv(EnvAfter))
	return plan{name, max(n, 1), time.Now().Add(after)}
})

var (
	passes atomic.Int64 // of the planned point
	due    atomic.Bool  // see Mark
)

// passed counts a pass and tells whether it is the planned one.
func passed(name string) bool {
	p := planned()
	return p.name == name && !time.Now().Before(p.after) && passes.Add(1) == p.pass
}

// At ends the process if this is the planned pass of the planned point.
func At(name string) {
	if passed(name) {
		End()
	}
}

// End ends the process. It does not return.
func End() {
	fmt.Fprintf(os.Stderr, "point: %s\n", os.Getenv(Env))
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // one may always kill oneself
	select {}
}

// Mark makes the point due at its planned pass: the process ends where its code
// next asks for [Due], in the transaction that it is in.
func Mark(name string) {
	if passed(name) {
		due.Store(true)
	}
}

// Due tells that the process is to end now.
func Due() bool { return due.Load() }

// Span is the time given, or what EnvDead says instead.
func Span(d time.Duration) time.Duration {
	if other, err := time.ParseDuration(os.Getenv(EnvDead)); err == nil {
		return other
	}
	return d
}

// Handler ends the process once the answer to a publish has left it: the point
// publish.answered.
func Handler(h http.Handler) http.Handler {
	const name = "publish.answered"
	if planned().name != name {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r)
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/events") {
			_ = http.NewResponseController(w).Flush() // whoever has gone gets no answer
			At(name)
		}
	})
}

// Script is what of the script of a step of SQLite's schema is to run before the
// process ends, without the commit: at the planned pass of migrate.within. "" lets
// all of it run.
func Script(script string) string {
	if !passed("migrate.within") {
		return ""
	}
	return strings.TrimSuffix(script, "; COMMIT")
}
