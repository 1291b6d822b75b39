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
	alive := false
	err := c.raw.Control(func(fd uintptr) { alive = silent(int(fd)) })
	return err == nil && alive
}

// silent tells whether a socket is open and has nothing to be read.
func silent(fd int) bool {
	var b [1]byte
	_, _, err := syscall.Recvfrom(fd, b[:], syscall.MSG_PEEK)
	return err == syscall.EAGAIN || err == syscall.EWOULDBLOCK
}

// post writes the request to a socket that is silent and waits for the answer. To
// write and then to read costs a system call more, which finds that the answer has
// not come yet. It is false where the socket is not silent: nothing was written.
//
// What Read of a RawConn waits for is what comes after its beginning: that the socket
// is silent is asked between the two, or something that came before would be waited
// for in vain.
func (c *conn) post() bool {
	if c.raw == nil {
		if c.reused && !c.alive() {
			return false
		}
		c.write()
		return true
	}
	if c.step == nil {
		c.step = c.postStep
	}
	c.posted, c.quiet = false, true
	_ = c.raw.Read(c.step) // whoever reads next hears of it
	switch {
	case !c.quiet && c.reused:
		return false
	case c.written < len(c.out): // also where the time was over before anything was asked
		c.write()
	}
	return true
}

// postStep is called with the socket, and again when it can be read from; it is true
// where there is nothing to wait for.
func (c *conn) postStep(fd uintptr) bool {
	if c.posted {
		return true
	}
	c.posted = true
	if c.quiet = silent(int(fd)); !c.quiet {
		return true
	}
	n, err := syscall.Write(int(fd), c.out)
	for err == syscall.EINTR {
		n, err = syscall.Write(int(fd), c.out)
	}
	c.written = max(n, 0)
	return c.written < len(c.out)
}
