package waybell

import (
	"context"
	"encoding/json"
	"time"
)

// AgentNumber is an agent's internal number, given by the store and never used
// again: an agent created anew under an old id does not see the old log.
type AgentNumber int64

// Agent is one AI agent of the platform: it produces events, and its owner's
// endpoints receive them.
type Agent struct {
	Number          AgentNumber
	ID              string          // 1–128 of A-Za-z0-9._:-
	Name            string          // also the bot_name of the chatislav format
	Profile         string          // default of the agent's new endpoints
	Metadata        json.RawMessage // a JSON object of the platform's own, or nil
	AvailableEvents []string        // canonical types this agent's plan produces; nil = all
	Version         int64           // configuration version of the last change; the ETag
	CreatedAt       time.Time
	UpdatedAt       time.Time
	DeletedAt       time.Time // zero while it exists
}

// AgentInput is what a caller says about an agent. ID is only used by
// [Service.CreateAgent]; elsewhere it must be "" or the agent's own.
type AgentInput struct {
	ID              string                    // "" = agt_…
	Name            Optional[string]          // 1–200 characters; required for a new agent
	Profile         Optional[string]          // null = standard
	Metadata        Optional[json.RawMessage] // an object of at most 16 KiB; updates merge it
	AvailableEvents Optional[[]string]        // names or aliases; null = all
}

// CreateAgent makes an agent. Errors: CodeInvalid, CodeUnknownEventType,
// CodeAgentExists.
func (s *Service) CreateAgent(ctx context.Context, in AgentInput) (Agent, error) { panic("pending") }

// PutAgent creates the agent or replaces all of it, and tells whether it is
// new. ifMatch is the version that must be replaced, 0 = any or none. Errors as
// for [Service.UpdateAgent], but for CodeAgentNotFound.
func (s *Service) PutAgent(ctx context.Context, id string, in AgentInput, ifMatch int64) (a Agent, created bool, err error) {
	panic("pending")
}

// Agent finds an agent; CodeAgentNotFound.
func (s *Service) Agent(ctx context.Context, id string) (Agent, error) { panic("pending") }

// Agents lists the agents, newest first; CodeInvalid for a bad limit or cursor.
func (s *Service) Agents(ctx context.Context, q ListQuery) (Page[Agent], error) { panic("pending") }

// UpdateAgent changes what is given in the patch. ifMatch is the version that
// must be changed, 0 = any. Errors: CodeInvalid, CodeUnknownEventType,
// CodeAgentNotFound, CodePreconditionFailed.
func (s *Service) UpdateAgent(ctx context.Context, id string, patch AgentInput, ifMatch int64) (Agent, error) {
	panic("pending")
}

// DeleteAgent deletes the agent and its endpoints; what waits is canceled. The
// id may be used again, for an agent that does not see the old log. Errors:
// CodeAgentNotFound, CodePreconditionFailed.
func (s *Service) DeleteAgent(ctx context.Context, id string, ifMatch int64) error { panic("pending") }
