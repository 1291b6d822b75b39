//go:build !race

package simulation_test

// usual is how many seeds are run where nothing else is asked for, tries how many
// of them twice.
const (
	usual = 250
	tries = 6
)
