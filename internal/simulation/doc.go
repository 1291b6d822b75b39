// Package simulation is a deterministic simulation; see its tests.
package simulation
