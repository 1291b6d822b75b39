package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// movedName is the file in a data directory that tells that its content was
// moved, or is being moved, to PostgreSQL. No server starts on it: two servers
// would send the same deliveries.
const movedName = "waybell.moved"

// moved is what the file holds.
type moved struct {
	Import string    `json:"import"` // names the import in the database
	To     string    `json:"to"`     // for people
	Began  time.Time `json:"began"`
}

// readMoved reads the file; nil when there is none.
func readMoved(dir string) (*moved, error) {
	path := filepath.Join(dir, movedName)
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	}
	m := &moved{}
	if err := json.Unmarshal(text, m); err != nil || m.Import == "" {
		return nil, fmt.Errorf("%s is damaged: it does not tell where the data was moved to", path)
	}
	return m, nil
}

// refuseMoved is the error of a server on a data directory that was moved.
func refuseMoved(dir string) error {
	m, err := readMoved(dir)
	if err != nil || m == nil {
		return err
	}
	path := filepath.Join(dir, movedName)
	return usageErrorf("%s was moved to %s by 'waybell import' on %s: set database-url, so that the nodes there go on.\n"+
		"To go back to this copy nevertheless, see that nothing uses the database and remove %s; what happened there is not in it",
		dir, m.To, m.Began.Format(time.RFC3339), path)
}

// newMoved names a new import.
func newMoved(to string) *moved {
	return &moved{Import: "import_" + rand.Text(), To: to, Began: time.Now().UTC().Truncate(time.Second)}
}

// write makes the file, durably.
func (m *moved) write(dir string) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(dir, movedName), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return syncDirectory(dir)
}
