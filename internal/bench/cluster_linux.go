package bench

import "github.com/waybell/waybell/internal/pgserver"

// startCluster starts a PostgreSQL server of the bench's own from the installed
// programs. end stops it and removes its data.
func startCluster(dir string, settings map[string]string) (url string, end func() error, err error) {
	s, err := pgserver.Start(pgserver.Options{Dir: dir, Settings: settings})
	if err != nil {
		return "", nil, err
	}
	return s.URL("postgres"), s.End, nil
}
