package sqlite

import (
	"fmt"
	"sync"

	"github.com/waybell/waybell"
)

// noTime is how a zero time is stored.
const noTime int64 = -62135596800000000

// typeNames numbers the names of event types. Names are only added, and there
// are few: all are kept in memory.
type typeNames struct {
	mu     sync.RWMutex
	number map[string]int64
	name   map[int64]string
}

func (n *typeNames) load(c *conn) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.number, n.name = make(map[string]int64), make(map[int64]string)
	r := c.query("SELECT number, name FROM type_names NOT INDEXED")
	for r.next() {
		i, s := r.int(), r.text()
		n.number[s], n.name[i] = i, s
	}
	return r.close()
}

// lookup is the number of a name, 0 when no row ever had it.
func (n *typeNames) lookup(name string) int64 {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.number[name]
}

// word is the inverse of lookup. The number of a row that a reader sees is
// always there: names are added before the commit that uses them.
func (n *typeNames) word(number int64) string {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.name[number]
}

// typeNumber is the number of a name, given now if need be.
func (t *tx) typeNumber(name string) (int64, error) {
	n := &t.s.types
	if i := n.lookup(name); i > 0 {
		return i, nil
	}
	i, err := t.int("SELECT coalesce(max(number), 0) + 1 FROM type_names")
	if err != nil {
		return 0, err
	}
	if _, err := t.exec("INSERT INTO type_names (number, name) VALUES (?, ?)", i, name); err != nil {
		return 0, fmt.Errorf("event type name: %w", err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.number[name], n.name[i] = i, name
	t.named = append(t.named, name)
	return i, nil
}

// forget takes back names whose transaction was rolled back.
func (n *typeNames) forget(names []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, s := range names {
		delete(n.name, n.number[s])
		delete(n.number, s)
	}
}

// compareRefs orders deliveries by event, then endpoint.
func compareRefs(a, b waybell.DeliveryRef) int {
	switch {
	case a.Event < b.Event || a.Event == b.Event && a.Endpoint < b.Endpoint:
		return -1
	case a == b:
		return 0
	}
	return 1
}
