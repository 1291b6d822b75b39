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
