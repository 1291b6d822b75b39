package bench

import (
	"fmt"
	"slices"
	"strings"
)

// eventData is a message of about 1 KB, the payload of all scenarios.
func eventData() string {
	text := strings.Repeat("Can I move my appointment to Thursday afternoon? ", 17)
	return fmt.Sprintf(`{"conversation_id":"conv_0123456789","message_id":"msg_0123456789","channel":"website","text":%q}`, text)
}

// oneEvent publishes one event of the bench's agent.
func oneEvent() request {
	return request{"/v1/agents/bench/events", []byte(`{"event":"message.received","data":` + eventData() + `}`)}
}

// manyEvents publishes n events of the bench's agent at once.
func manyEvents(n int) request {
	return eventsOf(slices.Repeat([]string{"bench"}, n))
}

// eventsOf publishes an event of each agent at once.
func eventsOf(agents []string) request {
	var items []string
	for _, id := range agents {
		items = append(items, `{"agent_id":"`+id+`","event":"message.received","data":`+eventData()+`}`)
	}
	return request{"/v1/events", []byte(`{"events":[` + strings.Join(items, ",") + `]}`)}
}

// deliveryBody is what a receiver gets for such an event in the standard
// format: the raw ceiling posts the same bytes.
func deliveryBody() []byte {
	return []byte(`{"id":"evt_0123456789abc","type":"message.received","timestamp":"2026-04-26T08:30:14.000Z","agent_id":"bench","data":` + eventData() + `}`)
}
