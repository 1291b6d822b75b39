package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"github.com/waybell/waybell/sqlite"
)

// A running server listens on a Unix socket in its data directory for what is
// done to the store from this machine: `waybell backup` and `waybell check`.
// Only one process may open the store, and a backup belongs on its writing
// connection, so the server does the work. Whoever may write to the socket may
// read the database beside it anyway: the file's rights are the permission,
// and nothing of it is reachable over the network.
const controlName = "waybell.sock"

func controlPath(dir string) string { return filepath.Join(dir, controlName) }

// listenControl opens the socket. The caller holds the lock of the directory:
// a socket that is there is left over from a process that died.
func listenControl(dir string) (net.Listener, error) {
	path := controlPath(dir)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// controlHandler answers on the socket: 204, or an error as plain text.
func controlHandler(store *sqlite.Store) http.Handler {
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, err error) {
		switch {
		case err == nil:
			w.WriteHeader(http.StatusNoContent)
		case errors.Is(err, os.ErrExist):
			http.Error(w, err.Error(), http.StatusConflict)
		default:
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}
	mux.HandleFunc("POST /backup", func(w http.ResponseWriter, r *http.Request) {
		path, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 4096))
		if err == nil && !filepath.IsAbs(string(path)) {
			err = fmt.Errorf("%q is no absolute path", path)
		}
		if err == nil {
			err = store.Backup(r.Context(), string(path))
		}
		answer(w, err)
	})
	mux.HandleFunc("POST /check", func(w http.ResponseWriter, r *http.Request) {
		answer(w, store.Check(r.Context()))
	})
	return mux
}
