package sqlite

import (
	"context"

	"github.com/waybell/waybell"
)

// ConfigVersion implements [waybell.ConfigStore].
func (s *Store) ConfigVersion(ctx context.Context) (int64, error) {
	if err := s.open(ctx); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version, nil
}

// ConfigSince implements [waybell.ConfigStore].
func (s *Store) ConfigSince(ctx context.Context, version int64) (waybell.ConfigChange, error) {
	var ch waybell.ConfigChange
	err := s.snapshot(ctx, func(c *conn) error {
		var err error
		if ch.Version, err = c.int("SELECT value FROM meta WHERE name = 'config_version'"); err != nil {
			return err
		}
		if ch.Version <= version {
			return nil
		}
		if ch.Agents, err = collect(c.query("SELECT "+agentColumns+
			" FROM agents WHERE version > ? ORDER BY version", version), readAgent); err != nil {
			return err
		}
		if ch.Endpoints, err = collect(c.query("SELECT "+endpointColumns+
			" FROM endpoints WHERE version > ? ORDER BY version", version), readEndpoint); err != nil {
			return err
		}
		if ch.EventTypes, err = collect(c.query("SELECT "+eventTypeColumns+
			" FROM event_types WHERE version > ? ORDER BY version", version), readEventType); err != nil {
			return err
		}
		ch.Keys, err = collect(c.query("SELECT "+keyColumns+
			" FROM api_keys WHERE version > ? ORDER BY version", version), readKey)
		return err
	})
	return ch, err
}
