//go:build !linux

package bench

import "errors"

// startCluster needs what only Linux has.
func startCluster(string, map[string]string) (url string, end func() error, err error) {
	return "", nil, errors.New("a PostgreSQL server is started on Linux only: give the URL of one")
}
