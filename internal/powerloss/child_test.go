//go:build linux

package powerloss

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/api"
	"github.com/waybell/waybell/sqlite"
)

// The process of the second record is this test binary again, which the variables
// tell its data directory and address.
const (
	childDir  = "WAYBELL_TEST_POWERLOSS_DIR"
	childAddr = "WAYBELL_TEST_POWERLOSS_ADDR"
)

// childKey encrypts what the second record's process keeps.
func childKey() string { return base64.StdEncoding.EncodeToString(make([]byte, 32)) }

// The log of the second record is copied into the database all the time, cut now
// and then, and begun anew after each copy.
const (
	childCheckpointBytes = 128 << 10
	childMaxLogBytes     = 768 << 10
)

// serveChild serves the store and the API until SIGTERM.
func serveChild(ctx context.Context, dir, addr string) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM)
	defer stop()
	store, err := sqlite.Open(ctx, sqlite.Config{Dir: dir, CheckpointBytes: childCheckpointBytes, MaxLogBytes: childMaxLogBytes})
	if err != nil {
		return err
	}
	svc, err := waybell.New(waybell.Config{
		Store: store, EncryptionKeys: []waybell.Secret{waybell.Secret(childKey())}, AllowTargets: []string{"127.0.0.1"},
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return err
	}
	if err := svc.Start(ctx); err != nil {
		return err
	}
	if _, err := svc.EnsureRootKey(ctx, apiKey); err != nil {
		return err
	}
	handler, err := api.New(svc, api.Config{})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	web := api.NewHTTPServer(handler, slog.Default())
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(l) }()
	select {
	case err = <-failed:
	case <-ctx.Done():
		err = errors.Join(web.Shutdown(context.WithoutCancel(ctx)))
		if e := <-failed; !errors.Is(e, http.ErrServerClosed) {
			err = errors.Join(err, e)
		}
	}
	return errors.Join(err, svc.Stop(context.WithoutCancel(ctx)), store.Close())
}
