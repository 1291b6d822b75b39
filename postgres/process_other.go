//go:build !linux

package postgres

// processOf names no process.
func processOf(int) string { return "" }

// hasEnded knows of none.
func hasEnded(string, string) bool { return false }
