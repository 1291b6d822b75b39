//go:build unix

package egress

import "syscall"

// alive tells whether an idle connection is still open and silent. A receiver
// that closed it, or speaks without having been asked, is not sent to over it.
// Its deadline must not have passed.
func (c *conn) alive() bool {
	if c.raw == nil {
		return true
	}
	silent := false
	err := c.raw.Read(func(fd uintptr) bool {
		var b [1]byte
		_, err := syscall.Read(int(fd), b[:])
		silent = err == syscall.EAGAIN || err == syscall.EWOULDBLOCK
		return true
	})
	return err == nil && silent
}
