package sqlite

import (
	"os"

	"golang.org/x/sys/windows"
)

// tryLock takes the exclusive lock of f, or fails at once. The system gives it
// back when the process ends.
func tryLock(f *os.File) error {
	const flags = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	// The byte lies past the text, which stays readable for the other process.
	at := windows.Overlapped{Offset: 1 << 30}
	return windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, &at)
}

func unlock(f *os.File) error {
	at := windows.Overlapped{Offset: 1 << 30}
	return windows.UnlockFileEx(windows.Handle(f.Fd()), 0, 1, 0, &at)
}

// syncDir does nothing: directories cannot be synced here.
func syncDir(string) error { return nil }
