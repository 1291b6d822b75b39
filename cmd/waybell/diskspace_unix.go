//go:build linux || darwin || freebsd

package main

import "golang.org/x/sys/unix"

// freeBytes is how much of the disk of a directory this process may still fill.
func freeBytes(dir string) (free uint64, known bool) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, false
	}
	return uint64(max(0, int64(st.Bavail))) * uint64(st.Bsize), true
}
