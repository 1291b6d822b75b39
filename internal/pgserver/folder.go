//go:build linux

package pgserver

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

//go:embed guard.sh
var guardScript string

// Folder is a temporary folder with a guard, which owns it and all processes
// that work in it. The guard is a shell that waits for the end of its standard
// input, which comes when this process closes it, or ends or dies: no signal and
// no exit code can avoid that, while the kernel's parent death signal hangs on a
// thread and would leave the folder.
type Folder struct {
	dir string // what the guard removes; it belongs to the user of the servers
	cmd *exec.Cmd
	in  io.Closer
}

// NewFolder makes a folder in parent, [os.TempDir] if empty.
func NewFolder(parent string) (*Folder, error) {
	dir, err := os.MkdirTemp(parent, "waybell-pg-")
	if err != nil {
		return nil, err
	}
	// Processes are found by their working folder, which has no links in it.
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return nil, err
	}
	f := &Folder{dir: dir, cmd: exec.Command("/bin/sh", "-c", guardScript, "guard", dir)}
	f.cmd.Dir = "/"
	f.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if f.in, err = f.cmd.StdinPipe(); err == nil {
		err = f.cmd.Start()
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := errors.Join(os.Mkdir(f.disk(), 0o700), chown(dir), chown(f.disk())); err != nil {
		return nil, errors.Join(err, f.End())
	}
	return f, nil
}

// disk is the folder where a small disk may be mounted, see [Options].
func (f *Folder) disk() string { return filepath.Join(f.dir, "disk") }

// Dir is the folder's path, without links in it.
func (f *Folder) Dir() string { return f.dir }

// End stops what runs in the folder, removes it and waits for that.
func (f *Folder) End() error {
	closed := f.in.Close()
	if err := errors.Join(closed, f.cmd.Wait()); err != nil {
		return fmt.Errorf("%s could not be removed: %w", f.dir, err)
	}
	return nil
}
