package waybell

import (
	"sync"
	"sync/atomic"
)

// directory is the configuration in memory: what publishing matches against
// and what the sender reads at each attempt. Its entries are immutable; a
// change replaces them.
type directory struct {
	version atomic.Int64

	mu        sync.RWMutex
	agents    map[string]*agentEntry       // living, by id
	numbers   map[AgentNumber]*agentEntry  // living
	endpoints map[EndpointNumber]*Endpoint // deleted ones too, while the log may name them
	types     map[string]*EventType        // registered, by canonical name
	keys      map[[32]byte]*APIKey         // working, by hash
}

// agentEntry is an agent with its living endpoints.
type agentEntry struct {
	*Agent
	endpoints []*Endpoint // by rising number
}

func (d *directory) init() {
	d.agents = map[string]*agentEntry{}
	d.numbers = map[AgentNumber]*agentEntry{}
	d.endpoints = map[EndpointNumber]*Endpoint{}
	d.types = map[string]*EventType{}
	d.keys = map[[32]byte]*APIKey{}
}

// agent finds a living agent.
func (d *directory) agent(id string) (*agentEntry, *Error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if a := d.agents[id]; a != nil {
		return a, nil
	}
	return nil, errorf(CodeAgentNotFound, "there is no agent %q", id)
}

// endpoint finds an endpoint by number, deleted ones too; nil when unknown.
func (d *directory) endpoint(n EndpointNumber) *Endpoint {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.endpoints[n]
}

// apply takes a change of the configuration in.
func (s *Service) apply(c ConfigChange) error {
	d := &s.dir
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range c.Agents {
		d.putAgent(&c.Agents[i])
	}
	for i := range c.Endpoints {
		d.putEndpoint(&c.Endpoints[i])
	}
	for i := range c.EventTypes {
		if t := &c.EventTypes[i]; t.DeletedAt.IsZero() {
			d.types[t.Name] = t
		} else {
			delete(d.types, t.Name)
		}
	}
	for i := range c.Keys {
		if k := &c.Keys[i]; k.RevokedAt.IsZero() {
			d.keys[k.Hash] = k
		} else {
			delete(d.keys, k.Hash)
		}
	}
	d.version.Store(c.Version)
	return nil
}

func (d *directory) putAgent(a *Agent) {
	entry := &agentEntry{Agent: a}
	if old := d.numbers[a.Number]; old != nil {
		entry.endpoints = old.endpoints
	}
	if !a.DeletedAt.IsZero() {
		delete(d.numbers, a.Number)
		if cur := d.agents[a.ID]; cur != nil && cur.Number == a.Number {
			delete(d.agents, a.ID)
		}
		return
	}
	d.numbers[a.Number], d.agents[a.ID] = entry, entry
}

func (d *directory) putEndpoint(e *Endpoint) {
	d.endpoints[e.Number] = e
	old := d.numbers[e.Agent]
	if old == nil {
		return
	}
	entry := &agentEntry{Agent: old.Agent, endpoints: make([]*Endpoint, 0, len(old.endpoints)+1)}
	placed := e.State == EndpointDeleted
	for _, o := range old.endpoints {
		switch {
		case o.Number != e.Number:
			entry.endpoints = append(entry.endpoints, o)
		case !placed:
			entry.endpoints = append(entry.endpoints, e)
			placed = true
		}
	}
	if !placed {
		entry.endpoints = append(entry.endpoints, e)
	}
	d.numbers[e.Agent], d.agents[old.ID] = entry, entry
}
