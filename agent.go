package waybell

import (
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
