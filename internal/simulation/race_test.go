//go:build race

package simulation_test

// Under the race detector a seed costs ten times as much. usual is how many are
// run where nothing else is asked for, tries how many of them twice.
const (
	usual = 4
	tries = 1
)
