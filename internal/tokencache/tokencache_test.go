package tokencache

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func cache() *Cache[string] {
	return New[string](Config{Fresh: 5 * time.Second, Entries: 3, Strangers: 2})
}

func hash(b byte) [32]byte { return [32]byte{b} }

func TestFreshness(t *testing.T) {
	t.Parallel()
	c, at := cache(), time.Unix(1e9, 0)
	f := c.Find(hash(1), at)
	if f.Known || f.Fresh {
		t.Fatalf("an empty cache knows %+v", f)
	}
	c.Put(hash(1), f, "one", at)
	for after, fresh := range map[time.Duration]bool{0: true, 5*time.Second - 1: true, 5 * time.Second: false} {
		f := c.Find(hash(1), at.Add(after))
		if f.Fresh != fresh || !f.Known || fresh != (f.Value == "one") {
			t.Errorf("after %v: %+v", after, f)
		}
	}
	c.Forget(hash(1))
	if f := c.Find(hash(1), at); f.Known {
		t.Error("it is still known")
	}
}

// Entries that are no longer fresh make room; fresh ones stay.
func TestBound(t *testing.T) {
	t.Parallel()
	c, at := cache(), time.Unix(1e9, 0)
	for b := range byte(4) {
		c.Put(hash(b), c.Find(hash(b), at), "v", at)
	}
	if c.Find(hash(3), at).Known || !c.Find(hash(2), at).Known {
		t.Error("the bound does not hold, or a fresh value went for another")
	}
	c.Put(hash(2), c.Find(hash(2), at), "again", at) // one that is there needs no room
	if c.Find(hash(2), at).Value != "again" {
		t.Error("a known value was not replaced")
	}
	at = at.Add(5 * time.Second)
	c.Put(hash(3), c.Find(hash(3), at), "v", at)
	if !c.Find(hash(3), at).Fresh || c.Find(hash(0), at).Known {
		t.Error("old values did not make room")
	}
}

// What is dropped while it is read does not come back.
func TestDrop(t *testing.T) {
	t.Parallel()
	c, at := cache(), time.Unix(1e9, 0)
	c.Put(hash(1), c.Find(hash(1), at), "one", at)
	c.Put(hash(2), c.Find(hash(2), at), "two", at)
	reading := c.Find(hash(3), at)
	c.Drop(func(v string) bool { return v == "one" })
	c.Put(hash(3), reading, "three", at)
	if c.Find(hash(1), at).Known || c.Find(hash(3), at).Known || !c.Find(hash(2), at).Fresh {
		t.Error("one or three is there, or two is not")
	}
}

func TestStrangers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := cache()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for place := range 2 {
			if !c.Enter(ctx) {
				t.Fatalf("no place %d in an empty room", place)
			}
		}
		if c.Enter(ctx) || !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			t.Error("a third one came in, or did not wait")
		}
		c.Leave()
		if !c.Enter(t.Context()) {
			t.Error("a place that was left is not free")
		}
	})
}
