//go:build race

package storetest

// slow tells that the race detector makes a store many times slower: fewer
// random sequences must do.
const slow = true
