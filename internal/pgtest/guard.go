//go:build linux

package pgtest

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

// guard owns a temporary folder and all processes that work in it. It is a
// shell that waits for the end of its standard input, which comes when the test
// closes it, or ends or dies: no signal and no exit code can avoid that, while
// the kernel's parent death signal hangs on a thread and would leave the folder.
type guard struct {
	dir string // what the guard removes; it belongs to the user of the servers
	cmd *exec.Cmd
	in  io.Closer
}

func newGuard(parent string) (*guard, error) {
	dir, err := os.MkdirTemp(parent, "pgtest-")
	if err != nil {
		return nil, err
	}
	// Processes are found by their working folder, which has no links in it.
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return nil, err
	}
	g := &guard{dir: dir, cmd: exec.Command("/bin/sh", "-c", guardScript, "guard", dir)}
	g.cmd.Dir = "/"
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if g.in, err = g.cmd.StdinPipe(); err == nil {
		err = g.cmd.Start()
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := errors.Join(os.Mkdir(g.disk(), 0o700), chown(dir), chown(g.disk())); err != nil {
		return nil, errors.Join(err, g.end())
	}
	return g, nil
}

// disk is the folder where a small disk may be mounted, see [Options].
func (g *guard) disk() string { return filepath.Join(g.dir, "disk") }

// end stops what runs in the folder, removes it and waits for that.
func (g *guard) end() error {
	closed := g.in.Close()
	if err := errors.Join(closed, g.cmd.Wait()); err != nil {
		return fmt.Errorf("%s could not be removed: %w", g.dir, err)
	}
	return nil
}
