//go:build linux

package pgserver

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// mount puts a small disk, a tmpfs, where the cluster's data will be: it gives
// the real errors at the real places, and filling it disturbs nobody. Only root
// may mount; another user needs sudo without a password, as the installation of
// PostgreSQL does.
func (f *Folder) mount(size int64) error {
	who, err := owner()
	if err != nil {
		return err
	}
	uid, gid := os.Getuid(), os.Getgid()
	args := []string{"mount"}
	if who != nil {
		uid, gid = int(who.Uid), int(who.Gid)
	} else {
		args = []string{"sudo", "-n", "mount"}
	}
	args = append(args, "-t", "tmpfs", "-o", fmt.Sprintf("size=%s,mode=0700,uid=%d,gid=%d", strconv.FormatInt(size, 10), uid, gid), "waybell", f.disk())
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("a disk of its own needs root, or sudo without a password: %w\n%s", err, out)
	}
	return nil
}

// Fill uses up what is free on the server's own disk, see [Options]. The server
// gets ENOSPC wherever it needs more until [Server.Free]: it fails a statement
// that extends a table, and crashes where it cannot extend its log; then it may
// also fail to start by itself.
func (s *Server) Fill() error {
	if s.opts.Disk == 0 {
		return errors.New("the server has no disk of its own")
	}
	f, err := os.OpenFile(s.ballast(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	for block := make([]byte, 1<<20); len(block) > 0; {
		_, err := f.Write(block)
		switch {
		case errors.Is(err, syscall.ENOSPC):
			block = block[:len(block)/2]
		case err != nil:
			return err
		}
	}
	return nil
}

// Free gives back what [Server.Fill] took. A server that crashed has to be
// started again.
func (s *Server) Free() error { return os.Remove(s.ballast()) }

func (s *Server) ballast() string { return filepath.Join(s.folder.disk(), "ballast") }
