//go:build race

package simulation_test

// usual is how many seeds are run where nothing else is asked for: under the race
// detector each costs ten times as much.
const usual = 12
