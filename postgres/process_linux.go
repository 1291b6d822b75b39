package postgres

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// processOf names a process so that another one can tell later, on the same machine,
// that it has ended: the machine's name and boot, the namespaces in which its number
// and its start are counted, number and start. "" is a process that cannot be named.
func processOf(pid int) string {
	host, err := os.Hostname()
	if err != nil || host == "" || strings.ContainsRune(host, ' ') {
		return ""
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	numbers, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	times, err := os.Readlink("/proc/self/ns/time")
	if err != nil && !errors.Is(err, os.ErrNotExist) { // it came with Linux 5.6
		return ""
	}
	if !tellsOwnNumbers() {
		return ""
	}
	start := startOf(pid)
	if start == "" {
		return ""
	}
	return fmt.Sprintf("linux %s %s %s %s %d %s", host, strings.TrimSpace(string(boot)), numbers, times, pid, start)
}

// tellsOwnNumbers tells whether what is mounted at /proc has the numbers of this
// process's own namespace. One of an outer namespace lists the numbers of all from
// there on (NSpid in proc_pid_status(5)).
func tellsOwnNumbers() bool {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return false
	}
	_, list, ok := strings.Cut(string(status), "\nNSpid:")
	list, _, _ = strings.Cut(list, "\n")
	return ok && strings.TrimSpace(list) == strconv.Itoa(os.Getpid())
}

// startOf is when a process began, in ticks since the boot (proc_pid_stat(5)), or ""
// where that cannot be read.
func startOf(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// The second field is the program's name in parentheses and may hold anything.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	const starttime = 22 - 3 // the first of fields is the third
	if len(fields) <= starttime {
		return ""
	}
	return fields[starttime]
}

// hasEnded tells whether a process that processOf named has certainly ended; here is
// what it makes of this one. One of another machine, container or boot never has, nor
// one that nobody has waited for.
func hasEnded(process, here string) bool {
	head, start, _ := cutLast(process)
	place, number, _ := cutLast(head)
	pid, err := strconv.Atoi(number)
	if err != nil || pid <= 0 {
		return false
	}
	own, _, _ := cutLast(here)
	if own, _, ok := cutLast(own); !ok || own != place {
		return false
	}
	// The signal 0 asks without sending; a hidden /proc does not matter to it.
	if err := syscall.Kill(pid, 0); errors.Is(err, syscall.ESRCH) {
		return true
	}
	now := startOf(pid)
	return now != "" && now != start
}

// cutLast cuts the last word off.
func cutLast(s string) (before, last string, ok bool) {
	i := strings.LastIndexByte(s, ' ')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}
