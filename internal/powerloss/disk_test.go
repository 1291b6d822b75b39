//go:build linux

package powerloss

import (
	"cmp"
	"math/rand/v2"
	"slices"
)

// disk is a model of the data directory: what is durable, and what was asked for
// and is not. It is played forward through a record.
type disk struct {
	dir    string
	events []moment
	next   int              // of events
	names  map[string]*file // as the processes see them
	made   map[string]*file // the names that are durable under the strict rule
	// changes of names that are not durable under the strict rule.
	changes []change
	all     []change // every change, in order
	sure    int      // of all, how many are durable under the rule of a journal
	at      map[string]int64
}

// moment is the place at which a call counts: a write when it begins, for then it
// may reach the disk, and a sync when it ends.
type moment struct {
	place int
	op    *op
}

// file is what a name leads to.
type file struct {
	durable []byte
	pending []*op // writes and truncations
	made    int   // how many changes of names there were when it was made
}

// change is a change of names: the file of a name, nil for none.
type change struct {
	op     *op
	name   string
	file   *file
	former string // the name that a rename takes away
}

func newDisk(dir string, ops []*op) *disk {
	d := &disk{dir: dir, names: map[string]*file{}, made: map[string]*file{}, at: map[string]int64{}}
	for _, o := range ops {
		place := o.begin
		if o.kind == opSync {
			if o.end == never {
				continue
			}
			place = o.end
		}
		d.events = append(d.events, moment{place, o})
	}
	slices.SortStableFunc(d.events, func(a, b moment) int { return cmp.Compare(a.place, b.place) })
	return d
}

// play goes on to a place of the record: calls that began there are not made.
func (d *disk) play(to int) {
	for ; d.next < len(d.events) && d.events[d.next].place < to; d.next++ {
		o := d.events[d.next].op
		switch o.kind {
		case opOpen:
			d.openFile(o)
		case opWrite:
			d.write(o)
		case opTruncate:
			if f := d.names[o.path]; f != nil {
				f.pending = append(f.pending, o)
			}
		case opUnlink:
			d.change(change{op: o, name: o.path})
		case opLink:
			d.change(change{op: o, name: o.to, file: d.names[o.path]})
		case opRename:
			d.change(change{op: o, name: o.to, file: d.names[o.path], former: o.path})
		case opSync:
			d.sync(o)
		}
	}
}

func (d *disk) openFile(o *op) {
	d.at[o.path] = 0
	f := d.names[o.path]
	if f == nil {
		f = &file{made: len(d.all) + 1}
		d.change(change{op: o, name: o.path, file: f})
	} else if o.clear {
		f.pending = append(f.pending, &op{kind: opTruncate, path: o.path, begin: o.begin, end: o.end})
	}
}

func (d *disk) write(o *op) {
	f := d.names[o.path]
	if f == nil {
		return // SQLite's index of the log may have been opened before the record began
	}
	if o.off < 0 {
		o = &op{kind: opWrite, path: o.path, off: d.at[o.path], data: o.data, begin: o.begin, end: o.end}
	}
	d.at[o.path] = o.off + int64(len(o.data))
	f.pending = append(f.pending, o)
}

func (d *disk) change(c change) {
	if c.former != "" {
		delete(d.names, c.former)
	}
	if c.file == nil {
		delete(d.names, c.name)
	} else {
		d.names[c.name] = c.file
	}
	d.changes = append(d.changes, c)
	d.all = append(d.all, c)
}

// sync makes durable what had ended when it began.
func (d *disk) sync(o *op) {
	if o.path == d.dir {
		rest := d.changes[:0]
		for _, c := range d.changes {
			if c.op.end < o.begin {
				c.apply(d.made)
			} else {
				rest = append(rest, c)
			}
		}
		d.changes = rest
		d.journal(len(d.all), o.begin)
		return
	}
	f := d.names[o.path]
	if f == nil {
		return
	}
	var rest []*op
	for _, w := range f.pending {
		if w.end < o.begin {
			f.durable = w.apply(f.durable)
		} else {
			rest = append(rest, w)
		}
	}
	f.pending = rest
	// A journal writes the changes of names in order, and with a file's first
	// sync the one that made it.
	d.journal(f.made, o.begin)
}

// journal makes changes of names durable in their order, up to the n-th, as far as
// they had ended at a place.
func (d *disk) journal(n, place int) {
	for d.sure < n && d.all[d.sure].op.end < place {
		d.sure++
	}
}

func (c change) apply(names map[string]*file) {
	if c.former != "" {
		delete(names, c.former)
	}
	if c.file == nil {
		delete(names, c.name)
	} else {
		names[c.name] = c.file
	}
}

// apply does a write or truncation to a content.
func (o *op) apply(content []byte) []byte {
	if o.kind == opTruncate {
		return resize(content, o.size)
	}
	content = resize(content, max(int64(len(content)), o.off+int64(len(o.data))))
	copy(content[o.off:], o.data)
	return content
}

func resize(content []byte, size int64) []byte {
	if size <= int64(len(content)) {
		return content[:size]
	}
	return append(content, make([]byte, size-int64(len(content)))...)
}

// loss says what a cut leaves of what was not synced.
type loss struct {
	// strict: a name is durable once its directory was synced, and until then
	// each change of names stands for itself. Otherwise they are in the order of
	// a journal.
	strict bool
	what   string // of a file's writes, see losses
}

// losses are the fates of what a file was not synced of.
var losses = [...]string{
	"none", "all",
	"first",   // those up to some moment
	"some",    // any of them, each whole
	"sectors", // each sector of 512 bytes as after any of its writes
	"pages",   // the same of 4 KiB
	"garbage", // the same, and what is new to the file and was not written has any bytes
}

// image is what a cut leaves: contents by name.
func (d *disk) image(l loss, rng *rand.Rand) map[string][]byte {
	names := map[string]*file{}
	if l.strict {
		for n, f := range d.made {
			names[n] = f
		}
		for _, c := range d.changes {
			if l.what == "all" || l.what != "none" && rng.IntN(2) == 0 {
				c.apply(names)
			}
		}
	} else {
		n := d.sure
		switch l.what {
		case "none":
		case "all":
			n = len(d.all)
		default:
			n += rng.IntN(len(d.all) - n + 1)
		}
		for _, c := range d.all[:n] {
			c.apply(names)
		}
	}
	image := map[string][]byte{}
	for _, n := range sorted(names) {
		image[n] = names[n].after(l.what, rng)
	}
	return image
}

// after is the content of a file after a cut.
func (f *file) after(what string, rng *rand.Rand) []byte {
	content := slices.Clone(f.durable)
	if len(f.pending) == 0 {
		return content
	}
	switch what {
	case "none":
	case "all":
		for _, o := range f.pending {
			content = o.apply(content)
		}
	case "first":
		for _, o := range f.pending[:rng.IntN(len(f.pending)+1)] {
			content = o.apply(content)
		}
	case "some":
		for _, o := range f.pending {
			if rng.IntN(2) == 0 {
				content = o.apply(content)
			}
		}
	case "sectors":
		return f.torn(content, 512, false, rng)
	case "pages":
		return f.torn(content, 4096, false, rng)
	case "garbage":
		return f.torn(content, 4096, true, rng)
	}
	return content
}

// torn chooses for each sector of a file how many of the writes to it happened.
// The size is that after some of the writes, and of truncations those among them
// happened.
func (f *file) torn(content []byte, sector int64, garbage bool, rng *rand.Rand) []byte {
	known := int64(len(content))
	sized := rng.IntN(len(f.pending) + 1)
	size := known
	from := 0 // writes before the last truncation are gone
	for i, o := range f.pending[:sized] {
		if o.kind == opTruncate {
			content, size, from = resize(content, o.size), o.size, i+1
			known = min(known, size)
		} else {
			size = max(size, o.off+int64(len(o.data)))
		}
	}
	content = resize(content, size)
	if garbage {
		for i := known; i < size; i++ {
			content[i] = byte(rng.Uint32())
		}
	}
	touched := map[int64][]*op{}
	for _, o := range f.pending[from:] {
		if o.kind != opWrite {
			continue
		}
		for s := o.off / sector; s*sector < min(o.off+int64(len(o.data)), size); s++ {
			touched[s] = append(touched[s], o)
		}
	}
	for _, s := range sorted(touched) {
		begin, end := s*sector, min((s+1)*sector, size)
		for _, o := range touched[s][:rng.IntN(len(touched[s])+1)] {
			if lo, hi := max(begin, o.off), min(end, o.off+int64(len(o.data))); lo < hi {
				copy(content[lo:hi], o.data[lo-o.off:hi-o.off])
			}
		}
	}
	return content
}

func sorted[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
