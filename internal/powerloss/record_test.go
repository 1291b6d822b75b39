//go:build linux

package powerloss

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// record is what processes did, one after the other, to a data directory, and
// what they answered.
type record struct {
	dir  string
	ops  []*op
	ends []end
	// promises are the answers, in the order in which they began to be sent.
	promises []promise
	places   int // how many lines there are
}

// end is the end of a process: what it left in the data directory.
type end struct {
	place int
	files map[string][]byte
}

// promise is an answer that says that something is durable.
type promise struct {
	place int // it began to be sent
	ids   []string
}

// tracer runs a command under strace.
type tracer struct {
	t    *testing.T
	cmd  *exec.Cmd
	file string
	log  bytes.Buffer
}

// straceOptions record calls with all their data.
func straceOptions(calls, file string) []string {
	return []string{"-f", "-qq", "-y", "-xx", "-s", strconv.Itoa(64 << 20), "-e", "signal=none", "-e", "trace=" + calls, "-o", file}
}

// startTraced starts a program under strace. timed has each line begin with its
// time.
func startTraced(t *testing.T, timed bool, env []string, program ...string) *tracer {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Fatalf("strace is not installed (make setup): %v", err)
	}
	tr := &tracer{t: t, file: filepath.Join(t.TempDir(), "trace")}
	args := straceOptions(recorded, tr.file)
	if timed {
		args = append(args, "-ttt")
	}
	tr.cmd = exec.Command(strace, slices.Concat(args, []string{"--"}, program)...)
	tr.cmd.Env = append(os.Environ(), env...)
	tr.cmd.Stdout, tr.cmd.Stderr = &tr.log, &tr.log
	if err := tr.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if tr.cmd.ProcessState == nil { // the test failed
			if pid, err := tr.traced(); err == nil {
				_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
			}
			_ = tr.cmd.Process.Kill()
			_ = tr.cmd.Wait()
		}
		if t.Failed() {
			t.Logf("what was run said:\n%s", tr.log.String())
		}
	})
	return tr
}

// traced is the process that strace started: the first one in its record.
func (tr *tracer) traced() (int, error) {
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", tr.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(children)), " ")
	return strconv.Atoi(first)
}

// stop sends a signal to the process and waits until it and strace have ended.
func (tr *tracer) stop(sig syscall.Signal) {
	tr.t.Helper()
	pid, err := tr.traced()
	if err == nil {
		err = syscall.Kill(pid, sig)
	}
	if err != nil {
		tr.t.Fatalf("send %v: %v", sig, err)
	}
	err = tr.cmd.Wait() // strace ends like the process that it ran
	if exit := (*exec.ExitError)(nil); err != nil && (sig != syscall.SIGKILL || !errors.As(err, &exit)) {
		tr.t.Fatalf("after %v: %v", sig, err)
	}
}

// add takes in what a process did that has ended.
func (r *record) add(t *testing.T, trace string) {
	t.Helper()
	ops, places, err := readTrace(trace, r.dir, r.places, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(trace); err != nil {
		t.Fatal(err)
	}
	r.places = places + 1
	r.ops = append(r.ops, ops...)
	files, err := readFiles(r.dir)
	if err != nil {
		t.Fatal(err)
	}
	e := end{place: places, files: files}
	r.settle(e)
	r.ends = append(r.ends, e)
	if err := r.verify(e); err != nil {
		t.Fatal(err)
	}
	r.promises = append(r.promises, promises(ops)...)
}

// settle finds out what became of calls that a killed process did not see end:
// the next one sees the files as they are.
func (r *record) settle(e end) {
	r.ops = slices.DeleteFunc(r.ops, func(o *op) bool {
		if o.end != never || o.kind == opSync || o.kind == opSend {
			return false
		}
		content, there := e.files[filepath.Base(o.path)]
		happened := there
		switch o.kind {
		case opWrite:
			n := 0
			for o.off >= 0 && n < len(o.data) && o.off+int64(n) < int64(len(content)) && content[o.off+int64(n)] == o.data[n] {
				n++
			}
			o.data, happened = o.data[:n], n > 0
		case opTruncate:
			happened = there && int64(len(content)) <= o.size
		case opUnlink:
			happened = !there
		case opLink, opRename:
			_, happened = e.files[filepath.Base(o.to)]
		}
		o.end = e.place
		return !happened
	})
}

// verify holds the model against what a process really left: if the record lacked
// a write, it would show here.
func (r *record) verify(e end) error {
	d := newDisk(r.dir, r.ops)
	d.play(e.place)
	want := map[string]bool{}
	for path, f := range d.names {
		name := filepath.Base(path)
		want[name] = true
		if strings.HasSuffix(name, "-shm") { // written through memory
			continue
		}
		content := slices.Clone(f.durable)
		for _, o := range f.pending {
			content = o.apply(content)
		}
		if real, ok := e.files[name]; !ok || !bytes.Equal(real, content) {
			return fmt.Errorf("the record does not explain %s: %d bytes in the model, %d on disk (%v)", name, len(content), len(real), ok)
		}
	}
	for name := range e.files {
		if !want[name] {
			return fmt.Errorf("the record does not explain where %s comes from", name)
		}
	}
	return nil
}

func readFiles(dir string) (map[string][]byte, error) {
	files := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		files[d.Name()], err = os.ReadFile(path)
		return err
	})
	return files, err
}

// promises finds the answers among what was sent: 202 to events, 201 to agents and
// endpoints.
func promises(ops []*op) (list []promise) {
	type answer struct {
		place int
		text  []byte
	}
	open := map[string]*answer{} // by socket
	for _, o := range ops {
		if o.kind != opSend {
			continue
		}
		a := open[o.path]
		if bytes.HasPrefix(o.data, []byte("HTTP/1.1 2")) {
			a = &answer{place: o.begin}
			open[o.path] = a
		}
		if a == nil {
			continue
		}
		a.text = append(a.text, o.data...)
		if ids, whole := promised(a.text); whole {
			delete(open, o.path)
			if len(ids) > 0 {
				list = append(list, promise{a.place, ids})
			}
		}
	}
	slices.SortFunc(list, func(a, b promise) int { return a.place - b.place })
	return list
}

// promised reads the ids of what an answer promises; whole tells that all of the
// answer is there.
func promised(text []byte) (ids []string, whole bool) {
	res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(text)), nil)
	if err != nil {
		return nil, false
	}
	defer res.Body.Close()
	type item struct {
		ID     string `json:"id"`
		Status int    `json:"status"`
	}
	var body struct {
		item
		Data []item `json:"data"`
	}
	var out bytes.Buffer
	if _, err := out.ReadFrom(res.Body); err != nil {
		return nil, false
	}
	if json.Unmarshal(out.Bytes(), &body) != nil {
		return nil, true // not JSON: no promise of ours
	}
	if res.StatusCode == http.StatusAccepted || res.StatusCode == http.StatusCreated {
		if body.ID != "" {
			ids = append(ids, body.ID)
		}
	}
	for _, it := range body.Data {
		if it.Status == http.StatusAccepted {
			ids = append(ids, it.ID)
		}
	}
	return ids, true
}

// waitReady waits until a server answers.
func waitReady(t *testing.T, addr string) {
	t.Helper()
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for limit := time.After(time.Minute); ; {
		res, err := client.Get("http://" + addr + "/readyz")
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("the server at %s is not ready after a minute: %v", addr, err)
		}
	}
}
