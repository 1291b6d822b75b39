package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	stdlog "log"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/api"
	"github.com/waybell/waybell/internal/plainhttp"
	"github.com/waybell/waybell/postgres"
	"github.com/waybell/waybell/sqlite"
	"github.com/waybell/waybell/web"
)

// server is a running Waybell: store, service and HTTP. `serve` and `demo` are
// built on it. Its parts are stopped last in, first out.
type server struct {
	svc     *waybell.Service
	url     string         // of the API, for a client on this machine
	rootKey waybell.Secret // made at this start, or ""
	madeKey bool           // the encryption key was made at this start
	failed  chan error     // the listener broke
	log     *slog.Logger
	grace   time.Duration
	clients int // connections of each listener
	// shared is the store, where nodes share it.
	shared *postgres.Store
	// findings are the store's own checks; nil for one that has none.
	findings func(context.Context) []postgres.Check

	httpServers []httpServer
	closers     []func() error // the store, and what else outlives the service
}

// httpServer is one of net/http or of package plainhttp.
type httpServer interface {
	Serve(net.Listener) error
	Shutdown(context.Context) error
	Close() error
}

// errAddressInUse: another program listens there.
var errAddressInUse = errors.New("the address is in use")

// closeTime is how long answers under way may take once attempts have ended.
const closeTime = 2 * time.Second

// startServer starts everything. With an error nothing is left running.
func startServer(ctx context.Context, c *configuration, log *slog.Logger, onAttempt func(waybell.AttemptReport)) (_ *server, err error) {
	s := &server{log: log, grace: time.Duration(c.ShutdownGrace), clients: int(c.MaxConnections), failed: make(chan error, 2)}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if c.EgressTransport == transportNetHTTP {
		stdlog.SetOutput(io.Discard) // net/http writes there what receivers send unasked, and nothing else does
	}
	// The address comes first: nothing is touched when another server has it.
	listener, err := s.listen("listen", string(c.Listen))
	if err != nil {
		return nil, err
	}
	s.url = clientURL(listener.Addr())
	var metrics *api.Metrics
	if c.Metrics {
		metrics = api.NewMetrics(build().Version)
	}
	if err := s.startService(ctx, c, attemptListeners(metrics, onAttempt)); err != nil {
		return nil, err
	}
	if metrics != nil {
		metrics.Observe(s.svc)
	}
	cfg := apiConfig(c, log, metrics)
	cfg.System = s.system(c, listener.Addr())
	handler, err := newHandler(c, s.svc, cfg)
	if err != nil {
		return nil, err
	}
	if c.MetricsListen != "" {
		own, err := s.listen("metrics-listen", string(c.MetricsListen))
		if err != nil {
			return nil, err
		}
		mux := http.NewServeMux()
		mux.Handle("GET /metrics", metrics.Handler())
		s.serve(own, api.NewHTTPServer(mux, log))
	}
	// A key is made once and shown once: after this nothing may fail.
	rest := tuneRuntime(s.svc, !c.shared())
	s.closers = append(s.closers, func() error { rest(); return nil })
	if c.APIKey != "" || c.role() != waybell.RoleWorker { // nobody signs in to a worker
		if s.rootKey, err = s.svc.EnsureRootKey(ctx, waybell.Secret(c.APIKey)); err != nil {
			return nil, fmt.Errorf("the API key: %w", err)
		}
	}
	s.serve(listener, c.front(api.NewHTTPServer(handler, log)))
	return s, nil
}

// front is what listens to clients.
func (c *configuration) front(standard *http.Server) httpServer {
	if c.IngressTransport == transportNetHTTP {
		return standard
	}
	return &plainhttp.Server{Standard: standard, Plain: api.IsPublish}
}

// startService opens the store and starts the service on it.
func (s *server) startService(ctx context.Context, c *configuration, onAttempt func(waybell.AttemptReport)) error {
	open := s.openEmbedded
	if c.shared() {
		open = s.openShared
	}
	store, keys, err := open(ctx, c)
	if err != nil {
		return err
	}
	cfg := c.service()
	cfg.Store, cfg.Logger, cfg.EncryptionKeys, cfg.OnAttempt = store, s.log, keys, onAttempt
	if cfg.OwnURL == "" {
		cfg.OwnURL = s.url
	}
	if s.svc, err = waybell.New(cfg); err != nil {
		return &exitError{exitUsage, err}
	}
	s.closers = append(s.closers, func() error { // without effect after stopService
		within, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
		defer cancel()
		return s.svc.Stop(within)
	})
	if err := s.svc.Start(ctx); err != nil {
		return err
	}
	if s.shared != nil {
		if err := s.agreeOnKey(ctx, keys); err != nil {
			return err
		}
	}
	for _, t := range c.EventTypes {
		if _, _, err := s.svc.PutEventType(ctx, t.Name, t.input()); err != nil {
			return &exitError{exitUsage, fmt.Errorf("event-types: %s: %w", t.Name, err)}
		}
	}
	if len(keys) > 1 {
		s.encryptAgain(ctx, keys[0])
	}
	return nil
}

// openEmbedded opens the store in the data directory, and what makes its keys.
func (s *server) openEmbedded(ctx context.Context, c *configuration) (waybell.Store, []waybell.Secret, error) {
	if err := makeDataDir(string(c.DataDir)); err != nil {
		return nil, nil, err
	}
	keys, made, err := loadEncryptionKeys(c.settings)
	if err != nil {
		return nil, nil, err
	}
	s.madeKey = made
	store, err := sqlite.Open(ctx, sqlite.Config{Dir: string(c.DataDir), Logger: s.log})
	if err != nil {
		return nil, nil, explainStore(err)
	}
	s.closers = append(s.closers, store.Close)
	if err := refuseMoved(string(c.DataDir)); err != nil { // looked at under the lock, which an import holds
		return nil, nil, err
	}
	s.startControl(string(c.DataDir), store)
	return store, keys, nil
}

// openShared opens the store that nodes share. Nothing is kept on this machine.
func (s *server) openShared(ctx context.Context, c *configuration) (waybell.Store, []waybell.Secret, error) {
	keys, err := encryptionKeys(waybell.Secret(c.EncryptionKey))
	if err != nil {
		return nil, nil, err
	}
	store, err := openShared(ctx, c, s.log)
	if err != nil {
		return nil, nil, err
	}
	s.closers = append(s.closers, store.Close)
	switch importing, err := store.Importing(ctx); {
	case err != nil:
		return nil, nil, err
	case importing:
		return nil, nil, &exitError{exitRefused, errors.New("an import into this database has not ended: run 'waybell import' again until it has")}
	}
	s.shared, s.findings = store, store.Checks
	return store, keys, nil
}

// encryptAgain seals with the first encryption key what others sealed, while
// the server works, and tells when the others can be left out.
func (s *server) encryptAgain(ctx context.Context, first waybell.Secret) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	s.closers = append(s.closers, func() error {
		cancel()
		<-done
		return nil
	})
	go func() {
		defer close(done)
		n, err := s.svc.ReencryptSecrets(ctx)
		if err == nil && s.shared != nil {
			err = s.shared.PutSetting(ctx, keySetting, []byte(keyID(first)))
		}
		switch {
		case err == nil:
			s.log.Info("everything is encrypted with the first encryption key: the others are needed for older backups only",
				"endpoints_encrypted_again", n)
		case ctx.Err() == nil:
			s.log.Error("not everything is encrypted with the first encryption key yet: keep the others; the next start tries again",
				"endpoints_encrypted_again", n, "error", err)
		}
	}()
}

// startControl listens for `waybell backup` and `waybell check`. Without it, as
// on a file system that has no sockets, everything else still works.
func (s *server) startControl(dir string, store *sqlite.Store) {
	l, err := listenControl(dir)
	if err != nil {
		s.log.Warn("backups need the server stopped: the control socket cannot be opened", "error", err)
		return
	}
	h := &http.Server{Handler: controlHandler(store), ReadHeaderTimeout: closeTime,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug)}
	s.httpServers = append(s.httpServers, h)
	go h.Serve(l) //nolint:errcheck // it ends with the server
}

// attemptListeners calls all that want to know of attempts; nil for none.
func attemptListeners(metrics *api.Metrics, other func(waybell.AttemptReport)) func(waybell.AttemptReport) {
	switch {
	case metrics == nil:
		return other
	case other == nil:
		return metrics.OnAttempt
	}
	return func(a waybell.AttemptReport) {
		metrics.OnAttempt(a)
		other(a)
	}
}

func apiConfig(c *configuration, log *slog.Logger, metrics *api.Metrics) api.Config {
	cfg := api.Config{Logger: log, Metrics: metrics, BaseURL: string(c.PublicURL), PortalOrigins: c.PortalOrigins}
	if c.MetricsListen != "" {
		cfg.MetricsPath = api.Off
	}
	if !c.Docs {
		cfg.DocsPath = api.Off
	}
	return cfg
}

// newHandler is the API and, unless they are off, the screens in front of it.
func newHandler(c *configuration, svc *waybell.Service, cfg api.Config) (http.Handler, error) {
	calls, err := api.New(svc, cfg)
	if err != nil || !c.screens() {
		return calls, err
	}
	screens, err := web.Handler(web.Config{PortalOrigins: c.PortalOrigins})
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isScreen(r.URL.Path) {
			screens.ServeHTTP(w, r)
			return
		}
		calls.ServeHTTP(w, r)
	}), nil
}

// isScreen tells the paths of package web from those of the API. It is a look
// at the path and no second mux, since all publishing passes here.
func isScreen(path string) bool {
	if strings.HasPrefix(path, "/v1/") {
		return false
	}
	switch path {
	case "/", "/console", "/portal", "/embed.js":
		return true
	}
	return strings.HasPrefix(path, "/assets/") || strings.HasPrefix(path, "/console/") || strings.HasPrefix(path, "/portal/")
}

// listen opens the address of a setting, and closes it again where the start fails.
func (s *server) listen(setting, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("listen on %s: %w: stop the other program, or choose another address with --%s", address, errAddressInUse, setting)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("listen: %w: ports below 1024 need a right (CAP_NET_BIND_SERVICE); choose another address with --%s, behind a proxy", err, setting)
	case err != nil:
		return nil, fmt.Errorf("listen: %w", err)
	}
	s.closers = append(s.closers, func() error {
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	return newBoundListener(l.(*net.TCPListener), s.clients), nil
}

func (s *server) serve(l net.Listener, h httpServer) {
	s.httpServers = append(s.httpServers, h)
	go func() {
		if err := h.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- fmt.Errorf("listen on %s: %w", l.Addr(), err)
		}
	}()
}

// wait returns when ctx ends, or with the error of a listener.
func (s *server) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-s.failed:
		return err
	}
}

// stop ends in order: readiness and publishing answer 503 while attempts under
// way finish within the grace, then the listener closes, then the store. ctx
// must not be the one that asked for the stop.
func (s *server) stop(ctx context.Context) error {
	err := s.stopService(ctx)
	return errors.Join(err, s.close())
}

// stopService is the first half of stop; the store can still be read after it.
func (s *server) stopService(ctx context.Context) error {
	s.svc.Drain()
	within, cancel := context.WithTimeout(ctx, s.grace)
	defer cancel()
	err := s.svc.Stop(within)
	if errors.Is(err, context.DeadlineExceeded) {
		err = nil // told in the log: what was cut off is sent again after the next start
	}
	closing, cancel := context.WithTimeout(ctx, closeTime)
	defer cancel()
	for _, h := range s.httpServers {
		if h.Shutdown(closing) != nil {
			h.Close() //nolint:errcheck // the answers that are left were given their time
		}
	}
	return err
}

// close is the second half of stop, and ends a start that failed.
func (s *server) close() error {
	var errs []error
	for _, h := range s.httpServers {
		errs = append(errs, h.Close())
	}
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i]())
	}
	s.closers = nil
	return errors.Join(errs...)
}

// explainStore adds what to do to the errors that an operator will meet.
func explainStore(err error) error {
	if errors.Is(err, sqlite.ErrNewer) || errors.Is(err, postgres.ErrNewer) {
		return fmt.Errorf("%w: use that version, or restore a backup", err)
	}
	return err
}

// checkAddress refuses what could not be listened on.
func checkAddress(name, address string) error {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("%s: %q is not of the form address:port, such as 127.0.0.1:8080 or :8080", name, address)
	}
	return nil
}

// clientURL is where a client on this machine finds a listener.
func clientURL(a net.Addr) string {
	host, port, err := net.SplitHostPort(a.String())
	if err != nil {
		return "http://" + a.String()
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}
