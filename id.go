package waybell

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Key is an event's internal, time-ordered key: microseconds since the Unix
// epoch in the upper bits, the number of the node that accepted the event in
// the lower ten. On one node keys never go back, whatever the clock does.
// Lists, cursors, retention and partitions go by it; the id a caller chose is
// only a column.
type Key int64

const keyNodeBits = 10

// MaxNodeSlot is the largest node number that fits into a [Key].
const MaxNodeSlot = 1<<keyNodeBits - 1

// KeyAt is the smallest key of the microsecond that t lies in. It turns times
// (since, until, retention) into bounds for keys.
func KeyAt(t time.Time) Key { return Key(t.UnixMicro() << keyNodeBits) }

// Time is when the key was made, in microseconds; after a clock step back it
// may lie ahead of the wall clock.
func (k Key) Time() time.Time { return time.UnixMicro(int64(k) >> keyNodeBits).UTC() }

// keyMaker makes keys that rise strictly on this node: max(last+1, now).
type keyMaker struct {
	mu    sync.Mutex
	last  int64 // microseconds
	slot  int64
	clock *engineClock
}

// start makes all later keys larger than last, the newest key in the store.
func (m *keyMaker) start(slot int, last Key) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.slot = int64(slot)
	m.last = max(m.last, int64(last)>>keyNodeBits)
}

// above makes all later keys larger than one that another node made.
func (m *keyMaker) above(last Key) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last = max(m.last, int64(last)>>keyNodeBits)
}

// newest is no smaller than the keys that were made.
func (m *keyMaker) newest() Key {
	m.mu.Lock()
	defer m.mu.Unlock()
	return Key(m.last<<keyNodeBits | m.slot)
}

func (m *keyMaker) next() Key {
	now := m.clock.now().UnixMicro()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last = max(m.last+1, now)
	return Key(m.last<<keyNodeBits | m.slot)
}

// idEncoding is Crockford's base32 in lower case: its order is the order of
// the bytes, so encoded keys sort by time.
var idEncoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

const (
	eventPrefix    = "evt_"
	deliveryPrefix = "dlv_"
	endpointPrefix = "ep_"
	agentPrefix    = "agt_"
	keyPrefix      = "key_"
	sessionPrefix  = "ses_"
)

// newID makes an opaque, time-ordered id: the prefix and a UUIDv7 (RFC 9562,
// section 5.7) in base32.
func newID(prefix string) string {
	var u [16]byte
	rand.Read(u[:]) // never fails, see crypto/rand
	ms := uint64(time.Now().UnixMilli())
	binary.BigEndian.PutUint16(u[0:], uint16(ms>>32))
	binary.BigEndian.PutUint32(u[2:], uint32(ms))
	u[6] = u[6]&0x0f | 0x70
	u[8] = u[8]&0x3f | 0x80
	return prefix + idEncoding.EncodeToString(u[:])
}

// EventID is the id of an event for which the publisher chose none. It is
// derived from the key, so that finding the event needs no index.
func EventID(k Key) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(k))
	var room [len(eventPrefix) + 13]byte // one piece of memory, the string's
	return string(idEncoding.AppendEncode(append(room[:0], eventPrefix...), b[:]))
}

// ParseEventID returns the key of an id made by [EventID]. An id that a
// publisher chose may look the same: a store must first look for it among the
// chosen ids.
func ParseEventID(id string) (Key, bool) {
	rest, ok := strings.CutPrefix(id, eventPrefix)
	if !ok || len(rest) != 13 {
		return 0, false
	}
	b, err := idEncoding.DecodeString(rest)
	if err != nil || len(b) != 8 {
		return 0, false
	}
	k := Key(binary.BigEndian.Uint64(b))
	return k, k > 0 && EventID(k) == id
}

// DeliveryRef names a delivery: one event to one endpoint.
type DeliveryRef struct {
	Event    Key
	Endpoint EndpointNumber
}

// ID is the delivery's public id, derived from the event's key and the
// endpoint's number.
func (r DeliveryRef) ID() string {
	var b [12]byte
	binary.BigEndian.PutUint64(b[:], uint64(r.Event))
	binary.BigEndian.PutUint32(b[8:], uint32(r.Endpoint))
	var room [len(deliveryPrefix) + 20]byte
	return string(idEncoding.AppendEncode(append(room[:0], deliveryPrefix...), b[:]))
}

// String is the id, for logs.
func (r DeliveryRef) String() string { return r.ID() }

// ParseDeliveryID is the inverse of [DeliveryRef.ID].
func ParseDeliveryID(id string) (DeliveryRef, error) {
	rest, ok := strings.CutPrefix(id, deliveryPrefix)
	b, err := idEncoding.DecodeString(rest)
	if !ok || err != nil || len(b) != 12 {
		return DeliveryRef{}, fmt.Errorf("delivery id %.40q is malformed", id)
	}
	r := DeliveryRef{Key(binary.BigEndian.Uint64(b)), EndpointNumber(binary.BigEndian.Uint32(b[8:]))}
	if r.Event <= 0 || r.ID() != id {
		return DeliveryRef{}, fmt.Errorf("delivery id %.40q is malformed", id)
	}
	return r, nil
}
