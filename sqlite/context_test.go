package sqlite

import (
	"context"
	"sync/atomic"
	"testing"
)

// countdown is a context that is canceled by being asked often enough.
type countdown struct {
	context.Context
	cancel context.CancelFunc
	left   atomic.Int32
}

func (c *countdown) Err() error {
	if c.left.Add(-1) < 0 {
		c.cancel()
	}
	return c.Context.Err()
}

// contextAfter is canceled at the n-th look at it.
func contextAfter(t *testing.T, n int32) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.Context())
	c := &countdown{Context: ctx, cancel: cancel}
	c.left.Store(n)
	return c, cancel
}
