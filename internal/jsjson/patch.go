package jsjson

// MergePatch changes a value as RFC 7396, section 2, says.
func MergePatch(target, patch Value) Value {
	if patch.Kind() != KindObject {
		return patch
	}
	changes := map[string]Value{}
	for _, m := range patch.Members() {
		changes[m.Name] = m.Value
	}
	var merged []Member
	for _, m := range target.Members() {
		change, changed := changes[m.Name]
		delete(changes, m.Name)
		switch {
		case !changed:
			merged = append(merged, m)
		case !change.IsNull():
			merged = append(merged, Member{Name: m.Name, Value: MergePatch(m.Value, change)})
		}
	}
	for _, m := range patch.Members() {
		if change, left := changes[m.Name]; left && !change.IsNull() {
			merged = append(merged, Member{Name: m.Name, Value: MergePatch(Null(), change)})
		}
	}
	return Object(merged...)
}
