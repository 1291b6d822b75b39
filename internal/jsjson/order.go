package jsjson

import (
	"cmp"
	"slices"
)

// scanLimit is the number of members up to which a name is looked for by
// comparing it with the others, which is faster than a map; beyond it the cost
// would grow with the square.
const scanLimit = 32

// nameSet finds repeated names while an object grows.
type nameSet struct {
	mask uint64 // one bit per sketch of a name seen: most new names need no look
	all  map[string]int
}

// find returns the place of name among the members, or -1 after noting that it
// comes next. members are those seen so far, each once passed to find.
func (n *nameSet) find(members []Member, name string) int {
	if n.all != nil {
		if at, ok := n.all[name]; ok {
			return at
		}
		n.all[name] = len(members)
		return -1
	}
	bit := uint64(1) << sketch(name)
	if n.mask&bit != 0 {
		for i := range members {
			if members[i].Name == name {
				return i
			}
		}
	}
	n.mask |= bit
	if len(members) >= scanLimit {
		n.all = make(map[string]int, 4*scanLimit)
		for i := range members {
			n.all[members[i].Name] = i
		}
		n.all[name] = len(members)
	}
	return -1
}

// sketch maps a name to 0..63, equal names to the same number.
func sketch(name string) uint {
	n := uint(len(name))
	if n == 0 {
		return 0
	}
	return (n*5 + uint(name[0])*3 + uint(name[n/2])*11 + uint(name[n-1])) & 63
}

// objectOf makes an object of members, which it owns and may rewrite.
func objectOf(members []Member) Value {
	var names nameSet
	kept := members[:0]
	for _, m := range members {
		m.Name = wellFormed(m.Name)
		if at := names.find(kept, m.Name); at >= 0 {
			kept[at].Value = m.Value
		} else {
			kept = append(kept, m)
		}
	}
	sortIndices(kept)
	return ordered(kept)
}

// ordered makes an object of members whose names differ and are in order.
func ordered(members []Member) Value {
	if len(members) == 0 {
		return Value{kind: KindObject}
	}
	return Value{kind: KindObject, list: &container{members: members[:len(members):len(members)]}}
}

// isIndex reports whether name is an array index of ECMAScript: the canonical
// spelling of an integer from 0 to 2^32-2.
func isIndex(name string) bool {
	const last = "4294967294"
	if len(name) == 0 || len(name) > len(last) || name[0] == '0' && len(name) > 1 {
		return false
	}
	for i := range len(name) {
		if name[i] < '0' || name[i] > '9' {
			return false
		}
	}
	return len(name) < len(last) || name <= last
}

// sortIndices moves array indices to the front in ascending order and leaves
// the order of all other names.
func sortIndices(members []Member) {
	if !slices.ContainsFunc(members, func(m Member) bool { return isIndex(m.Name) }) {
		return
	}
	slices.SortStableFunc(members, func(a, b Member) int {
		ai, bi := isIndex(a.Name), isIndex(b.Name)
		switch {
		case ai && bi:
			// Canonical spellings: the longer is the larger.
			return cmp.Or(cmp.Compare(len(a.Name), len(b.Name)), cmp.Compare(a.Name, b.Name))
		case ai:
			return -1
		case bi:
			return 1
		default:
			return 0
		}
	})
}
