//go:build !race

package simulation_test

// usual is how many seeds are run where nothing else is asked for.
const usual = 100
