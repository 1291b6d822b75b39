package bench

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of times in /proc: USER_HZ is 100 on Linux.
const clockTick = time.Second / 100

// stat are fields of /proc/<pid>/stat, see proc(5).
type stat struct {
	parent int
	self   time.Duration // user and system
	waited time.Duration // of children that ended
}

func processStat(pid int) (st stat, err error) {
	name := fmt.Sprintf("/proc/%d/stat", pid)
	text, err := os.ReadFile(name)
	if err != nil {
		return st, err
	}
	// Fields after the command, which ends with the last parenthesis.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 15 {
		return st, fmt.Errorf("%s: %d fields", name, len(fields))
	}
	var n [15]int64
	for _, i := range []int{1, 11, 12, 13, 14} {
		if n[i], err = strconv.ParseInt(fields[i], 10, 64); err != nil {
			return st, fmt.Errorf("%s: %w", name, err)
		}
	}
	return stat{int(n[1]), time.Duration(n[11]+n[12]) * clockTick, time.Duration(n[13]+n[14]) * clockTick}, nil
}

// processFields reads lines such as "Pss: 123 kB" from a file of a process;
// names tells where the values go. kB become bytes.
func processFields(pid int, file string, names map[string]*int64) error {
	path := fmt.Sprintf("/proc/%d/%s", pid, file)
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		name, rest, _ := strings.Cut(line, ":")
		to := names[name]
		if to == nil {
			continue
		}
		value, unit, _ := strings.Cut(strings.TrimSpace(rest), " ")
		if *to, err = strconv.ParseInt(value, 10, 64); err != nil {
			return fmt.Errorf("%s: %s: %w", path, name, err)
		}
		if unit == "kB" {
			*to <<= 10
		}
	}
	return nil
}

// usage is what the operating system accounted to a process.
type usage struct {
	cpu       time.Duration // user and system
	rss, peak int64         // bytes now, and at most so far
	written   int64         // bytes that went to disk or will, 0 where that may not be read
}

// processUsage reads /proc: the bench runs where the servers do, on Linux.
func processUsage(pid int) (u usage, err error) {
	st, err := processStat(pid)
	if err != nil {
		return u, err
	}
	u.cpu = st.self
	if err := processFields(pid, "status", map[string]*int64{"VmRSS": &u.rss, "VmHWM": &u.peak}); err != nil {
		return u, err
	}
	err = processFields(pid, "io", map[string]*int64{"write_bytes": &u.written})
	if errors.Is(err, os.ErrPermission) {
		err = nil
	}
	return u, err
}

// treeUsage is what a process, its children, and those that ended cost, with
// memory that they share counted once. What may not be read of other users'
// processes is left out.
func treeUsage(root int) (u storeUsage, err error) {
	st, err := processStat(root)
	if err != nil {
		return u, err
	}
	u.cpu = st.self + st.waited
	pids := []int{root}
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return u, err
	}
	for _, dir := range all {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		if st, err := processStat(pid); err == nil && st.parent == root { // else it ended meanwhile
			u.cpu += st.self
			pids = append(pids, pid)
		}
	}
	for _, pid := range pids {
		var pss, written int64
		err := errors.Join(
			processFields(pid, "smaps_rollup", map[string]*int64{"Pss": &pss}),
			processFields(pid, "io", map[string]*int64{"write_bytes": &written}))
		if err != nil && pid == root && !errors.Is(err, os.ErrPermission) {
			return u, err
		}
		u.memory, u.written = u.memory+pss, u.written+written
	}
	return u, nil
}
