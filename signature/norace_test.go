//go:build !race

package signature_test

// raceEnabled: the race detector makes pools forget some of what they are given.
const raceEnabled = false
