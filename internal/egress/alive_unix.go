//go:build unix

package egress

import "syscall"

// alive tells whether an idle connection is still open and silent. A receiver
// that closed it, or speaks without having been asked, is not sent to over it.
func (c *conn) alive() bool {
	if c.wire != nil && !c.wire.drained() {
		return false
	}
	if c.raw == nil {
		return true
	}
	silent := false
	err := c.raw.Control(func(fd uintptr) {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
		silent = err == syscall.EAGAIN || err == syscall.EWOULDBLOCK
	})
	return err == nil && silent
}
