//go:build !unix

package egress

import "time"

// freshFor is how long an idle connection is trusted where it cannot be asked
// whether it is still open.
const freshFor = time.Second

// alive tells whether an idle connection is probably still open.
func (c *conn) alive() bool {
	return (c.wire == nil || c.wire.drained()) && time.Since(c.since) < freshFor
}

// post writes the request, unless the connection is idle and probably closed.
func (c *conn) post() bool {
	if c.reused && !c.alive() {
		return false
	}
	c.write()
	return true
}
