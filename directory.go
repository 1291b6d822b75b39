package waybell

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/waybell/waybell/format"
	"github.com/waybell/waybell/internal/egress"
	"github.com/waybell/waybell/internal/keyring"
	"github.com/waybell/waybell/internal/record"
	"github.com/waybell/waybell/internal/retry"
	"github.com/waybell/waybell/internal/signing"
)

// directory is the configuration in memory: what publishing matches against
// and what the sender reads at each attempt. Its entries are immutable; a
// change replaces them.
type directory struct {
	version atomic.Int64

	// Fixed when the service is made.
	ring     *keyring.Ring
	targets  targetParser
	formats  *format.Set
	reserved map[string]bool // signature headers of all formats, in lower case

	mu        sync.RWMutex
	agents    map[string]*agentEntry            // living, by id
	numbers   map[AgentNumber]*agentEntry       // living
	endpoints map[EndpointNumber]*endpointEntry // deleted ones too: the log names them
	unready   map[EndpointNumber]*endpointEntry // those of endpoints that are
	types     map[string]*typeEntry             // built-in and registered, by canonical name
	keys      map[[32]byte]*APIKey              // working, by hash
	keyIDs    map[string]struct{}               // of the working ones
}

// targetParser is the one parser of customers' URLs: *egress.Client.
type targetParser interface {
	ParseTarget(raw string) (egress.Target, error)
}

// agentEntry is an agent with its living endpoints.
type agentEntry struct {
	*Agent
	endpoints []*endpointEntry      // by rising number
	hidden    func() *record.Hidden // what its endpoints hide, in all
}

func newAgentEntry(a *Agent, endpoints []*endpointEntry) *agentEntry {
	return &agentEntry{a, endpoints, sync.OnceValue(func() *record.Hidden {
		var secrets record.Secrets
		for _, e := range endpoints {
			e.hide(&secrets)
		}
		return secrets.Hidden()
	})}
}

// hide adds what nobody may see of an endpoint in what is kept.
func (e *Endpoint) hide(secrets *record.Secrets) {
	for _, h := range e.Headers {
		secrets.Header(h.Name, h.Value.Reveal())
	}
	for _, secret := range e.Secrets {
		secrets.Value(secret.Value.Reveal())
	}
}

// endpointEntry is an endpoint with all that a send needs made ready. Of a
// deleted endpoint there is only the row.
type endpointEntry struct {
	*Endpoint
	// unready tells what this node lacks to send to the endpoint: its format, its
	// retry policy or the encryption key, of which other nodes have newer ones. What
	// is for it is put aside for them. There is no format then, perhaps.
	unready error
	target  egress.Target // zero where refused is set
	// refused tells why a URL that was saved is no longer allowed: the
	// operator's exceptions are others now.
	refused         error
	format          *format.Format
	policy          retry.Policy // with the endpoint's own schedule and window
	retriesOverload bool         // see policy.RetriesOverload
	signing         signing.Plan
	hidden          *record.Hidden // its header values and secrets
	allTypes        bool
	outdated        bool // sealed with a key that is not the first
}

// takes tells whether new events of a type, by canonical name, go to the
// endpoint.
func (e *endpointEntry) takes(eventType string) bool {
	return e.Enabled && (e.allTypes || slices.Contains(e.Events, eventType))
}

func (d *directory) init(cfg Config, targets targetParser) error {
	texts := make([]string, len(cfg.EncryptionKeys))
	for i, key := range cfg.EncryptionKeys {
		texts[i] = key.Reveal()
	}
	var err error
	if d.ring, err = keyring.Parse(texts...); err != nil {
		return err
	}
	d.targets = targets
	d.agents = map[string]*agentEntry{}
	d.numbers = map[AgentNumber]*agentEntry{}
	d.endpoints, d.unready = map[EndpointNumber]*endpointEntry{}, map[EndpointNumber]*endpointEntry{}
	d.keys, d.keyIDs = map[[32]byte]*APIKey{}, map[string]struct{}{}
	types, err := builtInTypes()
	if err != nil {
		return err
	}
	d.types = maps.Clone(types)
	if d.formats, err = format.NewSet(cfg.Formats); err != nil {
		return err
	}
	d.reserved = map[string]bool{}
	for _, header := range d.formats.SignatureHeaders() {
		d.reserved[header] = true
	}
	return nil
}

// agent finds a living agent.
func (d *directory) agent(id string) (*agentEntry, *Error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if a := d.agents[id]; a != nil {
		return a, nil
	}
	return nil, errorf(CodeAgentNotFound, "there is no agent %.140q", id)
}

// agentByNumber finds a living agent; nil when it was deleted.
func (d *directory) agentByNumber(n AgentNumber) *agentEntry {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.numbers[n]
}

// endpoint finds an endpoint by number, deleted ones too; nil when unknown.
func (d *directory) endpoint(n EndpointNumber) *Endpoint {
	if e := d.entry(n); e != nil {
		return e.Endpoint
	}
	return nil
}

// entry is endpoint with what was made ready.
func (d *directory) entry(n EndpointNumber) *endpointEntry {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.endpoints[n]
}

// eventType finds a type by its canonical name; nil when unknown.
func (d *directory) eventType(canonical string) *typeEntry {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.types[canonical]
}

// endpointChange is a change of one endpoint as the directory saw it; old is
// nil for one it did not know.
type endpointChange struct{ old, new *Endpoint }

// apply takes a change of the configuration in: all of it, or on an error
// nothing. An endpoint that this node cannot send to is such an error at a start.
// Later it was changed by a node that knows more, and is left to those: it must
// never be sent to unsigned, without its headers or in another format.
func (s *Service) apply(c ConfigChange) error {
	d := &s.dir
	entries := make([]*endpointEntry, len(c.Endpoints))
	for i := range c.Endpoints {
		entries[i] = d.prepare(&c.Endpoints[i])
		if err := entries[i].unready; err != nil && s.startedAt.Load() == nil {
			return fmt.Errorf("endpoint %s: %w", c.Endpoints[i].ID, err)
		}
		// What is accepted from now on is not canceled with what was there before.
		s.keys.above(entries[i].CancelUpTo)
	}
	types := make([]*typeEntry, len(c.EventTypes))
	for i := range c.EventTypes {
		entry, err := newTypeEntry(&c.EventTypes[i])
		if err != nil {
			return fmt.Errorf("event type %s: %w", c.EventTypes[i].Name, err)
		}
		types[i] = entry
	}
	for _, change := range d.replace(c, entries, types) {
		s.onEndpoint(change.old, change.new)
	}
	s.logUnready(entries)
	return nil
}

// unreadyLogged is how many endpoints of one change are named in the log.
const unreadyLogged = 20

// logUnready tells of the endpoints of a change that are left to other nodes.
func (s *Service) logUnready(entries []*endpointEntry) {
	n := 0
	for _, e := range entries {
		if e.unready == nil {
			continue
		}
		if n++; n <= unreadyLogged {
			s.log.Error("this node cannot send to an endpoint and leaves it to others", "agent", e.AgentID, "endpoint", e.ID, "error", e.unready)
		}
	}
	if n > unreadyLogged {
		s.log.Error("this node cannot send to more endpoints of the same change", "endpoints", n-unreadyLogged)
	}
}

// Unready tells how many endpoints this node leaves to others, because it lacks a
// format, a retry policy or an encryption key that they have, and what it lacks for
// one of them.
func (s *Service) Unready() (n int, example error) {
	d := &s.dir
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, e := range d.unready {
		return len(d.unready), fmt.Errorf("endpoint %s: %w", e.ID, e.unready)
	}
	return 0, nil
}

func (d *directory) replace(c ConfigChange, entries []*endpointEntry, types []*typeEntry) []endpointChange {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range c.Agents {
		d.putAgent(&c.Agents[i])
	}
	changes := make([]endpointChange, len(entries))
	for i, entry := range entries {
		changes[i].new = entry.Endpoint
		if old := d.endpoints[entry.Number]; old != nil {
			changes[i].old = old.Endpoint
		}
	}
	d.putEndpoints(entries)
	for _, t := range types {
		switch have := d.types[t.Name]; {
		case have != nil && have.BuiltIn: // since a version after it was registered
		case t.DeletedAt.IsZero():
			d.types[t.Name] = t
		default:
			delete(d.types, t.Name)
		}
	}
	for i := range c.Keys {
		if k := &c.Keys[i]; k.RevokedAt.IsZero() {
			d.keys[k.Hash], d.keyIDs[k.ID] = k, struct{}{}
		} else {
			delete(d.keyIDs, k.ID)
			if have := d.keys[k.Hash]; have != nil && have.ID == k.ID {
				delete(d.keys, k.Hash)
			}
		}
	}
	d.version.Store(c.Version)
	return changes
}

func (d *directory) putAgent(a *Agent) {
	var endpoints []*endpointEntry
	if old := d.numbers[a.Number]; old != nil {
		endpoints = old.endpoints
	}
	entry := newAgentEntry(a, endpoints)
	if !a.DeletedAt.IsZero() {
		delete(d.numbers, a.Number)
		if cur := d.agents[a.ID]; cur != nil && cur.Number == a.Number {
			delete(d.agents, a.ID)
		}
		return
	}
	d.numbers[a.Number], d.agents[a.ID] = entry, entry
}

// putEndpoints copies each agent's list once, however many of its endpoints
// changed: the first load brings all of them.
func (d *directory) putEndpoints(entries []*endpointEntry) {
	touched := map[AgentNumber][]*endpointEntry{}
	for _, e := range entries {
		d.endpoints[e.Number] = e
		if e.unready != nil {
			d.unready[e.Number] = e
		} else {
			delete(d.unready, e.Number)
		}
		if d.numbers[e.Agent] != nil {
			touched[e.Agent] = append(touched[e.Agent], e)
		}
	}
	for number, changed := range touched {
		old := d.numbers[number]
		living := map[EndpointNumber]*endpointEntry{}
		for _, e := range old.endpoints {
			living[e.Number] = e
		}
		for _, e := range changed {
			living[e.Number] = e
		}
		list := slices.SortedFunc(maps.Values(living), func(a, b *endpointEntry) int {
			return cmp.Compare(a.Number, b.Number)
		})
		list = slices.DeleteFunc(list, func(e *endpointEntry) bool { return e.State == EndpointDeleted })
		entry := newAgentEntry(old.Agent, list)
		d.numbers[number], d.agents[old.ID] = entry, entry
	}
}

// prepare makes the entry of a stored endpoint; where it is not ready, as much of it
// as there is.
func (d *directory) prepare(e *Endpoint) *endpointEntry {
	entry := &endpointEntry{Endpoint: e}
	if e.State == EndpointDeleted {
		e.Sealed = nil
		return entry
	}
	if entry.unready = e.open(d.ring); entry.unready == nil {
		entry.outdated = len(e.Sealed) > 0 && !d.ring.Current(e.Sealed)
	}
	e.Sealed = nil // the memory is better spent
	var secrets record.Secrets
	e.hide(&secrets)
	entry.hidden = secrets.Hidden()
	entry.allTypes = slices.Equal(e.Events, []string{allEvents})
	entry.target, entry.refused = d.targets.ParseTarget(e.URL)
	policy, ok := d.formats.Policy(e.Retry.Policy)
	if !ok { // what is accepted here must not expire too early
		policy.Window = retry.MaxWindow
		entry.lack(fmt.Errorf("its retry policy %q is not configured", e.Retry.Policy))
	}
	entry.policy = e.Retry.over(policy)
	entry.retriesOverload = entry.policy.RetriesOverload()
	if entry.format, ok = d.formats.Format(e.Format); !ok {
		entry.lack(fmt.Errorf("its format %q is not configured", e.Format))
	}
	if entry.unready == nil {
		entry.unready = entry.prepareSigning()
	}
	return entry
}

// lack notes that the node cannot send to the endpoint. One reason is told.
func (e *endpointEntry) lack(why error) {
	if e.unready == nil {
		e.unready = why
	}
}
