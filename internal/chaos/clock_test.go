//go:build linux && amd64

package chaos

import (
	"bytes"
	"debug/elf"
	words "encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/waybell/waybell/internal/pgtest"
	"github.com/waybell/waybell/internal/receivertest"
)

// wall is the wall clock of a node that a test may step: the node's own, and
// neither the machine's nor the monotonic one.
//
// The node runs a copy of the binary in which time.Now calls another function
// for the system's clocks. That one stands where the binary has one that only
// programs with C code call; it asks the system and adds a number of seconds to
// CLOCK_REALTIME. The number is written into the copy before it runs, and into the
// memory of the process while it runs. The binary that is shipped is otherwise
// the same.
type wall struct {
	t      *testing.T
	server *server
	// addr and at are where the number of seconds is, in memory and in the file.
	addr, at int64

	mu      sync.Mutex
	stepped []wallStep
}

// wallStep is how far the clock was off from a moment on.
type wallStep struct {
	from   time.Time
	offset time.Duration
}

// newWall gives a node that is not running a wall clock of its own.
func newWall(t *testing.T, s *server) *wall {
	t.Helper()
	shipped := stamped(t, s.number)
	b, err := os.ReadFile(shipped)
	if err != nil {
		t.Fatal(err)
	}
	w := &wall{t: t, server: s, stepped: []wallStep{{}}}
	if err := w.patch(b); err != nil {
		t.Fatalf("%s: %v", shipped, err)
	}
	s.binary = filepath.Join(t.TempDir(), filepath.Base(shipped))
	// No child may inherit the open file, or the copy could not be run.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(s.binary, b, 0o755); err != nil {
		t.Fatal(err)
	}
	return w
}

// patch changes the binary.
func (w *wall) patch(b []byte) error {
	f, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		return err
	}
	if f.Type != elf.ET_EXEC {
		return fmt.Errorf("it is a %v, whose addresses are not known before it runs", f.Type)
	}
	symbols, err := f.Symbols()
	if err != nil {
		return err
	}
	find := func(name string) (elf.Symbol, error) {
		i := slices.IndexFunc(symbols, func(s elf.Symbol) bool { return s.Name == name })
		if i < 0 {
			return elf.Symbol{}, fmt.Errorf("it has no symbol %s", name)
		}
		return symbols[i], nil
	}
	var found [3]elf.Symbol
	for i, name := range []string{"time.now", "runtime.vdsoClockgettimeSym", "runtime.cgoSigtramp.abi0"} {
		if found[i], err = find(name); err != nil {
			return err
		}
	}
	now, system, unused := found[0], found[1], found[2]
	text := f.Section(".text")
	place := func(addr uint64) uint64 { return addr - text.Addr + text.Offset }

	// The function, by the C convention: clock in DI, result in *SI.
	relative := func(code []byte, to uint64) []byte { // to, seen from the end of the instruction
		return words.LittleEndian.AppendUint32(code, uint32(to-(unused.Value+uint64(len(code))+4)))
	}
	word := (unused.Value + 48 + 7) &^ 7
	code := []byte{0x57, 0x56, 0x48, 0x83, 0xec, 0x08}      // PUSH DI; PUSH SI; SUB $8, SP
	code = relative(append(code, 0xff, 0x15), system.Value) // CALL *system
	code = append(code, 0x48, 0x83, 0xc4, 0x08, 0x5e, 0x5f) // ADD $8, SP; POP SI; POP DI
	code = append(code, 0x85, 0xff, 0x75, 0x0a)             // TEST DI, DI; JNE over the next two
	code = relative(append(code, 0x48, 0x8b, 0x05), word)   // MOV word, AX
	code = append(code, 0x48, 0x01, 0x06, 0x31, 0xc0, 0xc3) // ADD AX, (SI); XOR AX, AX; RET
	if len(code) > 48 || word+8 > unused.Value+unused.Size {
		return fmt.Errorf("%s has %d bytes: no room for %d", unused.Name, unused.Size, len(code))
	}
	copy(b[place(unused.Value):], code)
	w.addr, w.at = int64(word), int64(place(word))
	words.LittleEndian.PutUint64(b[w.at:], 0)

	// MOV system, AX becomes LEA function, AX.
	calls := 0
	body := b[place(now.Value):][:now.Size]
	for i := 0; i+7 <= len(body); i++ {
		next := now.Value + uint64(i) + 7
		if bytes.HasPrefix(body[i:], []byte{0x48, 0x8b, 0x05}) && next+uint64(int64(int32(words.LittleEndian.Uint32(body[i+3:])))) == system.Value {
			body[i+1] = 0x8d
			words.LittleEndian.PutUint32(body[i+3:], uint32(unused.Value-next))
			calls++
		}
	}
	if calls != 2 {
		return fmt.Errorf("time.now asks the system %d times, want for two clocks", calls)
	}
	return nil
}

// step puts the clock off by offset from now on, of a node that runs or that is
// started later.
func (w *wall) step(offset time.Duration) {
	w.t.Helper()
	path, at := w.server.binary, w.at
	if w.server.running() {
		path, at = fmt.Sprintf("/proc/%d/mem", w.server.cmd.Process.Pid), w.addr
	}
	var b [8]byte
	words.LittleEndian.PutUint64(b[:], uint64(int64(offset/time.Second)))
	w.mu.Lock()
	w.stepped = append(w.stepped, wallStep{time.Now(), offset})
	w.mu.Unlock()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteAt(b[:], at)
		f.Close()
	}
	if err != nil {
		w.t.Fatalf("step the clock: %v", err)
	}
}

// offsets are those at which a request may have been made that came at a moment.
func (w *wall) offsets(at time.Time) (list []time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, s := range slices.Backward(w.stepped) {
		list = append(list, s.offset)
		if at.Sub(w.stepped[i].from) > busyMachine {
			break // what it was before is long over
		}
	}
	return list
}

// timepieces are the clocks of a trial's nodes and what requests showed of them.
type timepieces struct {
	tr    *trial
	walls map[int]*wall

	mu  sync.Mutex
	off map[int]int // by node: requests that showed a clock that was off
}

// stampLag is how old the time in a request may be.
const stampLag = busyMachine

// newTimepieces arms a trial before its nodes start.
func newTimepieces(tr *trial) *timepieces {
	p := &timepieces{tr: tr, walls: map[int]*wall{}, off: map[int]int{}}
	for _, s := range tr.nodes {
		p.walls[s.number] = newWall(tr.t, s)
	}
	tr.receiver.verify = p.verify
	return p
}

// verify holds the time that a request carries against its sender's wall clock,
// and its signature against a receiver whose clock agrees with that.
func (p *timepieces) verify(x *target, rec *receivertest.Recorded) error {
	var node int
	if _, err := fmt.Sscanf(rec.Get("User-Agent"), "Waybell/"+stampFormat, &node); err != nil {
		return err
	}
	text := rec.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return fmt.Errorf("webhook-timestamp %q", text)
	}
	stamped := time.Unix(seconds, 0)
	offsets := p.walls[node].offsets(rec.Arrived)
	for _, offset := range offsets {
		shows := rec.Arrived.Add(offset)
		if age := shows.Sub(stamped); age < -time.Second || age > stampLag {
			continue
		}
		p.mu.Lock()
		if offset != 0 {
			p.off[node]++
		}
		p.mu.Unlock()
		return x.verifier.Load().Verify(rec.Headers(), rec.Body, shows)
	}
	return fmt.Errorf("webhook-timestamp is %v off, the sender's clock %v", stamped.Sub(rec.Arrived).Round(time.Second), offsets)
}

// shown is how many requests of a node carried a time that was off.
func (p *timepieces) shown(node int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.off[node]
}

// owed is how many of some deliveries were not answered 2xx since a moment.
func (r *receiver) owed(deliveries map[string]bool, since time.Time) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	answers := make(map[string]bool, len(deliveries))
	for _, list := range r.hits {
		for _, h := range list {
			if h.answer == answered && h.at.After(since) && deliveries[h.delivery] {
				answers[h.delivery] = true
			}
		}
	}
	return len(deliveries) - len(answers)
}

// waiting are the ids of all deliveries that are not finished.
func (tr *trial) waiting() map[string]bool {
	tr.t.Helper()
	ids := map[string]bool{}
	for _, state := range []string{"pending", "retrying"} {
		err := pages(tr.t.Context(), tr.server, "deliveries?state="+state, func(d logged) { ids[d.ID] = true })
		if err != nil {
			tr.t.Fatal(err)
		}
	}
	return ids
}

// clockSteps are those of a cycle each.
var clockSteps = [...]time.Duration{25 * time.Hour, -25 * time.Hour, 5 * time.Minute, -5 * time.Minute}

// stallBar is how much longer than planned a retry may wait because a clock was
// stepped back: what lies too far ahead is brought forward at the next look, and
// no further than the longest wait of the endpoint's schedule.
const stallBar = 5*time.Second + 500*time.Millisecond

// cycle steps the clock of a node and back. Across a restart the node is killed
// before each step: then its receiver behaves well until all that waited has been
// delivered, because a process that starts cannot tell a clock that was stepped
// from a long absence, after which a delivery has one attempt left.
func (p *timepieces) cycle(s *server, by time.Duration, restart bool) {
	tr, w := p.tr, p.walls[s.number]
	for _, offset := range []time.Duration{by, 0} {
		shown := p.shown(s.number)
		if restart {
			tr.receiver.behave(s.number, temper{})
			var number int64
			var process string
			if tr.shared != nil { // the others must not bury it before what it left was read
				number = tr.shared.numbers(tr.t)[s.number]
				process = tr.shared.moveAway(tr.t, number)
			}
			f := tr.duringOf(s, killed, s.kill)
			if tr.shared != nil {
				f.stranded = tr.shared.strandedBy(tr.t, number)
				tr.shared.moveTo(tr.t, number, process)
			}
			w.step(offset)
			s.start()
		} else {
			w.step(offset)
		}
		tr.awaitService(s)
		if restart && tr.shared == nil {
			waiting, dead := tr.waiting(), tr.faults[len(tr.faults)-1].ended
			tr.await("what waited is delivered", func() bool { return tr.receiver.owed(waiting, dead) == 0 })
		}
		if restart {
			tr.receiver.behave(s.number, tr.receiver.temper)
		}
		if offset != 0 {
			tr.await("requests carry the stepped time", func() bool { return p.shown(s.number) > shown })
		}
		tr.pause(300*time.Millisecond, 1200*time.Millisecond)
	}
}

// judgeClock ends the trial: besides what every trial holds, no delivery was
// stuck.
func (p *timepieces) judgeClock(cycles int) {
	t := p.tr.t
	t.Helper()
	v := p.tr.end()
	var longest time.Duration
	early := 0
	for _, list := range byDelivery(v.hits) {
		for i := 1; i < len(list); i++ {
			wait := list[i].at.Sub(list[i-1].at)
			longest = max(longest, wait)
			if wait < 900*time.Millisecond {
				early++
			}
		}
	}
	// The longest wait of the schedule is planned, and so is the time of an attempt.
	if limit := stallBar + 5500*time.Millisecond + p.tr.receiver.timeout + busyMachine; longest > limit && p.tr.shared == nil {
		t.Errorf("a delivery waited %v between two attempts, want %v at most", longest, limit)
	}
	if v.accepted == 0 || v.requests <= v.deliveries {
		t.Errorf("the load or the faults did not happen: %d of %d", v.requests, v.deliveries)
	}
	stamped := 0
	for _, n := range p.off {
		stamped += n
	}
	p.tr.record("clock", cycles, v, times{"between_attempts": {longest}}, map[string]int64{"stamped_off": int64(stamped), "early": int64(early)})
	t.Logf("the longest wait between two attempts: %v; %d came before their second was over; requests with a time that was off, by node: %v",
		longest.Round(time.Millisecond), early, p.off)
}

// TestClock steps the wall clock of a running process by 25 hours and by 5 minutes
// ahead and back, and back again, all four while it runs, then across a restart.
// Nothing is lost, nothing comes twice but what a kill explains, no delivery expires
// by a step of a running process, and none is stuck.
func TestClock(t *testing.T) {
	t.Parallel()
	var p *timepieces
	newTrial(t, options{temper: temper{fail: 6, reset: 2, slow: 10, slowness: 300 * time.Millisecond},
		timeout: calmTimeout, arm: func(tr *trial) { p = newTimepieces(tr) }})
	cycles := repeat(6)
	for n := range cycles {
		p.tr.pause(300*time.Millisecond, time.Second)
		p.cycle(p.tr.server, clockSteps[n%4], n%8 >= 4)
	}
	p.judgeClock(cycles)
}

// TestNodesClock steps the wall clock of one of three nodes, which goes on as the
// others do: deliveries are planned by the database's clock.
func TestNodesClock(t *testing.T) {
	t.Parallel()
	url := pgtest.Start(t, pgtest.Options{Dir: memory()}).Database(t)
	var p *timepieces
	newTrial(t, options{temper: temper{fail: 6, reset: 2, slow: 10, slowness: 300 * time.Millisecond},
		timeout: calmTimeout, shared: newShared(url, url, "all", "all", "all"), arm: func(tr *trial) { p = newTimepieces(tr) }})
	cycles := repeat(4)
	for n := range cycles {
		p.tr.pause(300*time.Millisecond, time.Second)
		p.cycle(p.tr.nodes[p.tr.rng.IntN(len(p.tr.nodes))], clockSteps[n%4], n%8 >= 4)
	}
	p.judgeClock(cycles)
}
