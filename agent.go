package waybell

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/waybell/waybell/format"
	"github.com/waybell/waybell/internal/jsjson"
)

// AnyVersion as an ifMatch is any version, of what must be there.
const AnyVersion int64 = -1

// AgentNumber is an agent's internal number, given by the store and never used
// again: an agent created anew under an old id does not see the old log.
type AgentNumber int64

// Agent is one AI agent of the platform: it produces events, and its owner's
// endpoints receive them.
type Agent struct {
	Number          AgentNumber
	ID              string          // 1–128 of A-Za-z0-9._:-, not dots alone
	Name            string          // also the bot_name of the chatislav format
	Profile         string          // default of the agent's new endpoints
	Metadata        json.RawMessage // a JSON object of the platform's own, or nil
	AvailableEvents []string        // canonical types this agent's plan produces; nil = all
	Version         int64           // configuration version of the last change; the ETag
	CreatedAt       time.Time
	UpdatedAt       time.Time
	DeletedAt       time.Time // zero while it exists
}

// Produces tells whether the agent's plan produces a type, given by its
// canonical name.
func (a *Agent) Produces(eventType string) bool {
	return a.AvailableEvents == nil || slices.Contains(a.AvailableEvents, eventType)
}

// AgentInput is what a caller says about an agent. ID is only used by
// [Service.CreateAgent]; elsewhere it must be "" or the agent's own.
type AgentInput struct {
	ID              string                    // "" = agt_…
	idAt            string                    // where ID is in the request; "" = body.id
	Name            Optional[string]          // 1–200 characters; required for a new agent
	Profile         Optional[string]          // null = standard
	Metadata        Optional[json.RawMessage] // an object of at most 16 KiB; updates merge it
	AvailableEvents Optional[[]string]        // names or aliases; null = all
}

// The bounds of an agent's fields.
const (
	maxAgentID       = 128
	maxAgentName     = 200
	maxMetadataBytes = 16 << 10
	maxMetadataDepth = 32
	maxListedTypes   = 500
)

// validAgentID holds the rule for ids that a platform chooses.
func validAgentID(id string) bool {
	return id != "" && len(id) <= maxAgentID && !strings.ContainsFunc(id, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._:-", r)
	})
}

// CreateAgent makes an agent. Errors: CodeInvalid, CodeUnknownEventType,
// CodeAgentExists.
func (s *Service) CreateAgent(ctx context.Context, in AgentInput) (Agent, error) {
	a := Agent{ID: in.ID, CreatedAt: clock()}
	if a.ID == "" {
		a.ID = newID(agentPrefix)
	}
	if err := s.setAgent(&a, in, false); err != nil {
		return Agent{}, err
	}
	created, err := s.store.CreateAgent(ctx, a)
	switch {
	case errors.Is(err, ErrExists):
		return Agent{}, errorf(CodeAgentExists, "there is an agent %q already", a.ID)
	case err != nil:
		return Agent{}, storeFailed("create agent", err)
	}
	s.changed(ctx)
	return created, nil
}

// PutAgent creates the agent or replaces all of it, and tells whether it is
// new. ifMatch is the version that must be replaced, 0 = any or none. Errors as
// for [Service.UpdateAgent], but for CodeAgentNotFound.
func (s *Service) PutAgent(ctx context.Context, id string, in AgentInput, ifMatch int64) (a Agent, created bool, err error) {
	if in.ID != "" && in.ID != id {
		return Agent{}, false, foreignID()
	}
	in.ID, in.idAt = id, "path.agent_id"
	for range configTries {
		a, err = s.changeAgent(ctx, id, ifMatch, func(a *Agent) error {
			*a = Agent{Number: a.Number, ID: id, Version: a.Version, CreatedAt: a.CreatedAt}
			return s.updateAgent(ctx, a, in, false)
		})
		if ErrorCode(err) != CodeAgentNotFound {
			return a, false, err
		}
		if ifMatch != 0 {
			return Agent{}, false, versionMismatch()
		}
		a, err = s.CreateAgent(ctx, in)
		if ErrorCode(err) != CodeAgentExists {
			return a, err == nil, err
		}
	}
	return Agent{}, false, storeFailed("put agent", ErrConflict)
}

// Agent finds an agent; CodeAgentNotFound.
func (s *Service) Agent(ctx context.Context, id string) (Agent, error) {
	a, err := s.store.Agent(ctx, id)
	switch {
	case errors.Is(err, ErrNotFound):
		return Agent{}, noAgent(id)
	case err != nil:
		return Agent{}, storeFailed("agent", err)
	}
	return a, nil
}

// Agents lists the agents, newest first; CodeInvalid for a bad limit or cursor.
func (s *Service) Agents(ctx context.Context, q ListQuery) (Page[Agent], error) {
	limit, after, err := q.numbers("agents")
	if err != nil {
		return Page[Agent]{}, err
	}
	var rows []Agent
	switch {
	case q.Search != "":
		rows = s.dir.searchAgents(q, after)
	case q.AgentIDs == nil:
		rows, err = s.store.Agents(ctx, PageQuery{After: after, Limit: limit + 1})
	default:
		rows, err = s.namedAgents(ctx, q.AgentIDs, after)
	}
	if err != nil {
		return Page[Agent]{}, storeFailed("agents", err)
	}
	return cutPage(rows, limit, func(a *Agent) string {
		return listCursor("agents", strconv.FormatInt(int64(a.Number), 10))
	}), nil
}

// namedAgents is the list for a key that is confined to some agents, of which
// it has at most maxKeyAgents.
func (s *Service) namedAgents(ctx context.Context, ids []string, after int64) ([]Agent, error) {
	var rows []Agent
	for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
		switch a, err := s.store.Agent(ctx, id); {
		case errors.Is(err, ErrNotFound):
		case err != nil:
			return nil, err
		case after == 0 || int64(a.Number) < after:
			rows = append(rows, a)
		}
	}
	slices.SortFunc(rows, func(a, b Agent) int { return cmp.Compare(b.Number, a.Number) })
	return rows, nil
}

// searchAgents finds agents by a part of their id or name. The directory has
// all of them, and what a change here made of them is in it before the change
// is answered.
func (d *directory) searchAgents(q ListQuery, after int64) []Agent {
	part := strings.ToLower(q.Search)
	var rows []Agent
	look := func(a *agentEntry) {
		if (after == 0 || int64(a.Number) < after) &&
			(strings.Contains(strings.ToLower(a.ID), part) || strings.Contains(strings.ToLower(a.Name), part)) {
			rows = append(rows, *a.Agent)
		}
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	if q.AgentIDs == nil {
		for _, a := range d.numbers {
			look(a)
		}
	}
	for _, id := range slices.Compact(slices.Sorted(slices.Values(q.AgentIDs))) {
		if a := d.agents[id]; a != nil { // publishing must not wait while a portal looks at all
			look(a)
		}
	}
	slices.SortFunc(rows, func(a, b Agent) int { return cmp.Compare(b.Number, a.Number) })
	return rows
}

// EndpointCount is how many living endpoints an agent has; 0 for one that is
// not there.
func (s *Service) EndpointCount(n AgentNumber) int {
	if a := s.dir.agentByNumber(n); a != nil {
		return len(a.endpoints)
	}
	return 0
}

// UpdateAgent changes what is given in the patch. ifMatch is the version that
// must be changed, 0 = any. Errors: CodeInvalid, CodeUnknownEventType,
// CodeAgentNotFound, CodePreconditionFailed.
func (s *Service) UpdateAgent(ctx context.Context, id string, patch AgentInput, ifMatch int64) (Agent, error) {
	if patch.ID != "" && patch.ID != id {
		return Agent{}, foreignID()
	}
	return s.changeAgent(ctx, id, ifMatch, func(a *Agent) error { return s.updateAgent(ctx, a, patch, true) })
}

func (s *Service) updateAgent(ctx context.Context, a *Agent, in AgentInput, merge bool) (err error) {
	if err = s.setAgent(a, in, merge); err == nil {
		*a, err = s.store.UpdateAgent(ctx, *a)
	}
	return err
}

// changeAgent is the one way in which agents change: read, and change it in the
// store if nothing came between.
func (s *Service) changeAgent(ctx context.Context, id string, ifMatch int64, change func(*Agent) error) (Agent, error) {
	for range configTries {
		a, err := s.Agent(ctx, id)
		if err != nil {
			return Agent{}, err
		}
		if ifMatch > 0 && a.Version != ifMatch {
			return Agent{}, versionMismatch()
		}
		switch err := change(&a); {
		case errors.Is(err, ErrConflict):
			continue
		case errors.Is(err, ErrNotFound):
			return Agent{}, noAgent(id)
		case err != nil:
			return Agent{}, storeFailed("change agent", err)
		}
		s.changed(ctx)
		return a, nil
	}
	return Agent{}, storeFailed("change agent", ErrConflict)
}

// DeleteAgent deletes the agent and its endpoints; what waits is canceled. The
// id may be used again, for an agent that does not see the old log. Errors:
// CodeAgentNotFound, CodePreconditionFailed.
func (s *Service) DeleteAgent(ctx context.Context, id string, ifMatch int64) error {
	_, err := s.changeAgent(ctx, id, ifMatch, func(a *Agent) error {
		a.DeletedAt = clock()
		a.UpdatedAt = a.DeletedAt
		return s.store.DeleteAgent(ctx, *a, s.keys.next())
	})
	return err
}

// ensureAgent makes an agent for its first event; at is where the request names it.
func (s *Service) ensureAgent(ctx context.Context, id, at string) (*agentEntry, *Error) {
	_, err := s.CreateAgent(ctx, AgentInput{ID: id, idAt: at, Name: Some(id)})
	if ErrorCode(err) == CodeAgentExists { // made meanwhile, here or on another node
		err = s.refresh(ctx)
	}
	if err != nil {
		return nil, asError(storeFailed("ensure agent", err))
	}
	return s.dir.agent(id)
}

// setAgent brings an input into a; merge tells that metadata is a patch.
func (s *Service) setAgent(a *Agent, in AgentInput, merge bool) error {
	var p problems
	if a.Number == 0 && (!validAgentID(a.ID) || strings.Trim(a.ID, ".") == "") { // a path cannot name ".."
		p.addValue(cmp.Or(in.idAt, "body.id"), a.ID, "must have 1 to %d characters of A-Z, a-z, 0-9, '.', '_', ':' and '-', not dots alone", maxAgentID)
	}
	in.Name.into(&a.Name, "")
	p.name(a.Name, 1, maxAgentName)
	in.Profile.into(&a.Profile, "")
	if a.Profile == "" {
		a.Profile = format.DefaultProfile
	}
	if _, ok := s.dir.formats.Profile(a.Profile); !ok {
		p.addValue("body.profile", a.Profile, "is no profile; there are %s", strings.Join(s.dir.formats.ProfileNames(), ", "))
	}
	if in.Metadata.Null {
		a.Metadata = nil
	} else if in.Metadata.Set {
		a.Metadata = readMetadata(&p, in.Metadata.Value, a.Metadata, merge)
	}
	if in.AvailableEvents.Null {
		a.AvailableEvents = nil
	} else if in.AvailableEvents.Set {
		a.AvailableEvents = s.eventNames(&p, eventList{location: "body.available_events", names: in.AvailableEvents.Value, keep: a.AvailableEvents})
	}
	a.UpdatedAt = clock()
	return p.err("the agent")
}

// readMetadata is the metadata given: all of it, or merged into what there is
// as RFC 7396 says.
func readMetadata(p *problems, given, have json.RawMessage, merge bool) json.RawMessage {
	const at = "body.metadata"
	// Twice the bound is read, as a patch may take away as much as it adds.
	if len(given) > 2*maxMetadataBytes {
		p.add(at, "has %d bytes; at most %d are allowed", len(given), maxMetadataBytes)
		return have
	}
	v, err := jsjson.Parse(given, jsjson.Limits{MaxDepth: maxMetadataDepth})
	if err != nil || v.Kind() != jsjson.KindObject {
		p.add(at, "must be a JSON object of at most %d levels", maxMetadataDepth)
		return have
	}
	if merge {
		v = jsjson.MergePatch(jsjson.Raw(have), v)
	}
	raw := v.Append(nil)
	if len(raw) > maxMetadataBytes {
		p.add(at, "has %d bytes; at most %d are allowed", len(raw), maxMetadataBytes)
		return have
	}
	return raw
}

func noAgent(id string) error { return errorf(CodeAgentNotFound, "there is no agent %.140q", id) }

func foreignID() error {
	var p problems
	p.add("body.id", "must be left out or be the id of the path: an id never changes")
	return p.err("the agent")
}

func versionMismatch() error {
	return errorf(CodePreconditionFailed, "it was changed meanwhile, or is not there: read it again")
}
