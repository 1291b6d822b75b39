package waybell

import "testing"

// A claim takes few rows as long as they are retries, and grows where an endpoint's
// were put aside.
func TestClaimGrows(t *testing.T) {
	t.Parallel()
	const backlog, other = EndpointNumber(1), EndpointNumber(2)
	rows := func(of EndpointNumber, n, retries int) []Waiting {
		list := make([]Waiting, n)
		for i := range list {
			list[i].Endpoint = of
			if i < retries {
				list[i].Attempts = 1
			}
		}
		return list
	}
	both := func(most int) []ClaimWant {
		return []ClaimWant{{Endpoint: backlog, Max: most / 2}, {Endpoint: other, Max: most / 2}}
	}
	one := func(most int) []ClaimWant { return []ClaimWant{{Endpoint: backlog, Max: most}} }
	for _, tc := range []struct {
		name  string
		most  int
		wants []ClaimWant
		rows  []Waiting
		want  int
	}{
		{"nothing was due", claimFew, one(claimFew), nil, claimFew},
		{"full", claimFew, one(claimFew), rows(backlog, claimFew, 0), 2 * claimFew},
		{"as large as any", claimMost, one(claimMost), rows(backlog, claimMost, 0), claimMost},
		{"not full", 4 * claimFew, one(4 * claimFew), rows(backlog, claimFew, 0), 2 * claimFew},
		{"less than few", claimFew, one(claimFew), rows(backlog, 1, 0), claimFew},
		{"retries", claimFew, one(claimFew), rows(backlog, claimFew, claimFew), claimFew},
		{"many retries", claimMost, one(claimMost), rows(backlog, claimMost, claimMost), claimFew},
		{"a retry in its share", 4 * claimFew, one(claimFew), rows(backlog, claimFew, 1), 2 * claimFew},
		{"a probe", claimFew, one(1), rows(backlog, 1, 1), claimFew},
		{"one retry beside a backlog", claimFew, both(claimFew), append(rows(backlog, claimFew/2, 0), rows(other, 1, 1)...), 2 * claimFew},
		{"one retry beside a long backlog", claimMost, both(claimMost), append(rows(backlog, claimMost/2, 0), rows(other, 1, 1)...), claimMost},
		{"many retries beside a backlog", claimMost, both(claimMost), append(rows(backlog, claimMost/2, 0), rows(other, claimFew, claimFew)...), claimFew},
	} {
		if got := nextClaim(tc.most, claimFew, tc.wants, tc.rows); got != tc.want {
			t.Errorf("%s: %d rows, want %d", tc.name, got, tc.want)
		}
	}
}
