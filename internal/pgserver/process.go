//go:build linux

package pgserver

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Freeze stops all processes of the server by SIGSTOP, the postmaster first,
// which alone starts processes: connections stay open and new ones are taken by
// the kernel, but nobody answers. Its return says that none of them runs.
func (s *Server) Freeze() error {
	pid := s.Pid()
	if pid == 0 {
		return fmt.Errorf("the server does not run; its log ends:\n%s", s.LogTail(20))
	}
	if err := s.halt([]int{pid}); err != nil {
		return err
	}
	pids, err := s.Processes()
	if err != nil {
		return err
	}
	return s.halt(pids)
}

// Thaw lets a frozen server go on.
func (s *Server) Thaw() error {
	pids, err := s.Processes()
	if err != nil {
		return err
	}
	return signal(pids, syscall.SIGCONT)
}

// Kill ends all processes of the server by SIGKILL at once, frozen or not, as
// if the machine had lost its power, and waits until they are gone.
func (s *Server) Kill() error {
	// A frozen server starts no process while we count them.
	if err := s.Freeze(); err != nil {
		return err
	}
	pids, err := s.Processes()
	if err != nil {
		return err
	}
	if err := signal(pids, syscall.SIGKILL); err != nil {
		return err
	}
	<-s.process.done
	return s.await(nil, "die", func() bool { return !anyIn(pids, func(state byte) bool { return state != 'Z' && state != 'X' }) })
}

func (s *Server) halt(pids []int) error {
	if err := signal(pids, syscall.SIGSTOP); err != nil {
		return err
	}
	return s.await(s.process.done, "freeze", func() bool {
		return !anyIn(pids, func(state byte) bool { return !strings.ContainsRune("TtZX", rune(state)) })
	})
}

// Processes are the postmaster and its children.
func (s *Server) Processes() ([]int, error) {
	postmaster := s.Pid()
	if postmaster == 0 {
		return nil, fmt.Errorf("the server does not run; its log ends:\n%s", s.LogTail(20))
	}
	pids := []int{postmaster}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	for _, stat := range stats {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(stat)))
		if _, parent, ok := processState(pid); ok && parent == postmaster {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// processState is the state letter and the parent of a process, see proc(5);
// ok is false if there is none.
func processState(pid int) (state byte, parent int, ok bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, false
	}
	// The name of the program, in brackets, may hold anything.
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) < 2 {
		return 0, 0, false
	}
	parent, err = strconv.Atoi(string(fields[1]))
	return fields[0][0], parent, err == nil
}

// anyIn tells whether one of the processes is in such a state.
func anyIn(pids []int, such func(state byte) bool) bool {
	for _, pid := range pids {
		if state, _, ok := processState(pid); ok && such(state) {
			return true
		}
	}
	return false
}

// signal reaches all processes that still are.
func signal(pids []int, sig syscall.Signal) error {
	for _, pid := range pids {
		if err := syscall.Kill(pid, sig); err != nil && err != syscall.ESRCH {
			return err
		}
	}
	return nil
}
