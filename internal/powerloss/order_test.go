//go:build linux

package powerloss

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// frameHeader is the size of a frame's header in SQLite's log, which is written by
// itself before the page: page number, then the size of the database if the frame
// ends a transaction, otherwise 0 (https://sqlite.org/fileformat2.html#walformat).
const frameHeader = 24

// unsynced finds the answers that were sent before the log was synced up to the
// end of the transaction that holds what they promise. It goes by the record
// alone: the write to the log that holds the id, the next frame that ends a
// transaction, a sync of the log that began after that write had ended, and that
// had itself ended when the answer began. checked is how many ids it looked at.
func unsynced(r *record) (checked int, complaints []string) {
	for _, o := range r.ops {
		if o.kind == opMkdir && !r.syncedBefore(filepath.Dir(o.path), o.end, r.promises[0].place) {
			complaints = append(complaints, fmt.Sprintf("%s was made, and the folder above it not synced before the first answer", o.path))
		}
	}
	log := newLogOrder(r.ops)
	for _, p := range r.promises {
		for _, id := range p.ids {
			checked++
			if err := log.synced(id, p.place); err != nil {
				complaints = append(complaints, fmt.Sprintf("%s was answered at %d: %v", id, p.place, err))
			}
		}
	}
	return checked, complaints
}

// syncedBefore tells whether a file or folder was synced between two places.
func (r *record) syncedBefore(path string, after, before int) bool {
	return slices.ContainsFunc(r.ops, func(o *op) bool {
		return o.kind == opSync && o.path == path && o.begin > after && o.end < before
	})
}

// logOrder are the writes and syncs of the log of the database.
type logOrder struct {
	writes []*op
	commit []int // by write: the next one at or after it that ends a transaction, or -1
	syncs  []*op
}

func newLogOrder(ops []*op) *logOrder {
	l := &logOrder{}
	for _, o := range ops {
		if !strings.HasSuffix(o.path, "-wal") {
			continue
		}
		switch o.kind {
		case opWrite:
			l.writes = append(l.writes, o)
		case opSync:
			l.syncs = append(l.syncs, o)
		}
	}
	l.commit = make([]int, len(l.writes))
	next := -1
	for i := len(l.writes) - 1; i >= 0; i-- {
		// A page follows its header: of a header that ends a transaction it is the
		// page that must be there too.
		if i > 0 && ends(l.writes[i-1]) {
			next = i
		}
		l.commit[i] = next
	}
	return l
}

func ends(o *op) bool {
	return len(o.data) == frameHeader && binary.BigEndian.Uint32(o.data[4:]) != 0
}

// synced tells why what an id names was not durable at a place.
func (l *logOrder) synced(id string, place int) error {
	first := -1
	for i, w := range l.writes {
		if w.begin < place && bytes.Contains(w.data, []byte(id)) {
			first = i
			break
		}
	}
	if first < 0 {
		return fmt.Errorf("nothing of it was written before")
	}
	commit := l.commit[first]
	if commit < 0 {
		return fmt.Errorf("its transaction does not end")
	}
	for _, s := range l.syncs {
		if s.begin > l.writes[commit].end && s.end < place {
			return nil
		}
	}
	return fmt.Errorf("no sync lies between its commit at %d and the answer", l.writes[commit].begin)
}
