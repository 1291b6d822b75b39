package sqlite

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/waybell/waybell"
)

// ErrLocked tells that another process, or another Store of this one, uses the
// data directory.
var ErrLocked = errors.New("data directory in use")

const lockName = "waybell.lock"

// lockDir makes sure that this process alone uses the directory. The lock file
// is never removed: removing it would let two processes lock two files of the
// same name.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", waybell.ErrUnavailable, err)
	}
	if err := tryLock(f); err != nil {
		holder, _ := io.ReadAll(io.LimitReader(f, 64)) // only to say more
		f.Close()
		return nil, fmt.Errorf("%w: %s is locked by process %s (%w): stop that process or choose another directory",
			ErrLocked, dir, strings.TrimSpace(string(holder)), err)
	}
	// The number only helps the message above: on a full disk it may be missing.
	if err := f.Truncate(0); err == nil {
		_, _ = fmt.Fprintf(f, "%d\n", os.Getpid())
	}
	return f, nil
}

// unlockDir gives the directory back. To close the file alone would not do: a process
// that is just being started has it too, until it begins its own program.
func unlockDir(f *os.File) error { return errors.Join(unlock(f), f.Close()) }
