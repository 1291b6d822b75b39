package api

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/catalogue"
)

const securityScheme = "key"

// The tags that group the operations.
const (
	tagAgents     = "Agents"
	tagEndpoints  = "Endpoints"
	tagInboxes    = "Inboxes"
	tagEvents     = "Events"
	tagTypes      = "Event types"
	tagDeliveries = "Deliveries"
	tagKeys       = "Keys"
	tagSessions   = "Sessions"
	tagStatistics = "Statistics"
	tagHealth     = "Health"
	tagWebhooks   = "Webhooks"
)

const introduction = `Waybell delivers the events of a platform's agents to the URLs that the agents' owners subscribed:
signed, retried for up to 24 hours, every attempt logged.

**Keys.** Send ` + "`Authorization: Bearer <key>`" + `. A write scope includes the read scope of its noun, but for secrets; ` + "`endpoints:write`" + ` of a key includes ` + "`secrets:write`" + `, and ` + "`admin`" + ` all.
A key may be restricted to some agents; others answer 404.

**Sessions** are for browsers. A key makes one and gets a link with a one-time key; whoever opens the link exchanges it, once, for a token, which is sent like a key.
A portal session has exactly the scopes of its capabilities, and one agent.

**Lists** are newest first, but for event types: ` + "`limit`" + ` (1–250, default 50) and ` + "`cursor`" + `, the ` + "`next_cursor`" + ` of the page before; it is null at the end.
A filtered page may hold fewer rows than the limit, even none, and still have a ` + "`next_cursor`" + `.

**Errors** are RFC 9457 problem documents with a stable ` + "`code`" + `. Wrong fields are listed in ` + "`errors`" + `; unknown fields and unknown query parameters are errors.

**Times** are RFC 3339 in UTC. **Ids** are opaque; generated ones rise with time.

**Changes.** Agents and endpoints carry an ` + "`ETag`" + `; send it as ` + "`If-Match`" + ` and the change is refused with 412 when somebody else was faster.
` + "`PATCH`" + ` takes a JSON merge patch (RFC 7396).`

func newDocument(version string, schemas huma.Registry) *huma.OpenAPI {
	return &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title: "Waybell API", Version: version, Description: introduction,
			License: &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
		},
		Servers: []*huma.Server{{URL: "/", Description: "This server"}},
		Tags: []*huma.Tag{
			{Name: tagAgents, Description: "An agent produces events; its owner's endpoints receive them."},
			{Name: tagEndpoints, Description: "An endpoint is a URL that an agent's owner subscribed to events."},
			{Name: tagInboxes, Description: "An inbox is a throw-away receiver on this server, to try webhooks with."},
			{Name: tagEvents, Description: "Publishing events, and finding published ones."},
			{Name: tagTypes, Description: "What kinds of events there are."},
			{Name: tagDeliveries, Description: "The delivery log: one event to one endpoint, with every attempt."},
			{Name: tagStatistics, Description: "Attempts counted over time, and the health of endpoints."},
			{Name: tagKeys, Description: "The keys of this API."},
			{Name: tagSessions, Description: "A person's way in through the screens."},
			{Name: tagWebhooks, Description: "What a receiver gets, by event type, in the standard format."},
			{Name: tagHealth, Description: "For load balancers, monitoring and readers of this page."},
		},
		Components: &huma.Components{
			Schemas: schemas,
			SecuritySchemes: map[string]*huma.SecurityScheme{securityScheme: {
				Type: "http", Scheme: "bearer", Description: "An API key, see Keys, or the token of a session, see Sessions.",
			}},
			Headers: map[string]*huma.Param{"X-Request-Id": {
				Description: "Names the request in the server's log: the caller's own X-Request-Id (up to 64 of A-Za-z0-9._:-) or a new one.",
				Schema:      &huma.Schema{Type: huma.TypeString},
			}},
		},
	}
}

// alias lets a schema of an optional field be that of its value.
type alias struct{ optional, value reflect.Type }

func aliasOf[T, V any]() alias {
	return alias{reflect.TypeFor[waybell.Optional[T]](), reflect.TypeFor[V]()}
}

// optionalTypes are the optional fields of bodies with the Go type whose schema
// they have; a pointer says that null is one of the values.
func optionalTypes() []alias {
	return []alias{
		aliasOf[string, *string](),
		aliasOf[waybell.Secret, *string](),
		aliasOf[bool, *bool](),
		aliasOf[int, *int](),
		aliasOf[float64, *float64](),
		aliasOf[[]string, []string](),
		aliasOf[[]int, []int](),
		aliasOf[[]headerBody, []headerBody](),
		aliasOf[TimeBody, *time.Time](),
		aliasOf[filterBody, filterBody](),
		aliasOf[retryBody, retryBody](),
		aliasOf[object, object](),
		aliasOf[[]waybell.Capability, []waybell.Capability](),
		aliasOf[logoBody, logoBody](),
	}
}

// documentWebhooks describes what a receiver gets: one webhook per built-in
// type, in the standard format.
func (s *Server) documentWebhooks(doc *huma.OpenAPI) error {
	doc.Webhooks = map[string]*huma.PathItem{}
	for _, t := range catalogue.All() {
		var data, example map[string]any
		if err := json.Unmarshal(t.Schema, &data); err != nil {
			return fmt.Errorf("schema of %s: %w", t.Name, err)
		}
		if err := json.Unmarshal(t.Example, &example); err != nil {
			return fmt.Errorf("example of %s: %w", t.Name, err)
		}
		delete(data, "$schema")
		delete(data, "$id")
		if _, ok := data["additionalProperties"]; !ok {
			data["additionalProperties"] = true // what the schema means, for readers that assume otherwise
		}
		doc.Webhooks[t.Name] = &huma.PathItem{Post: webhookOperation(t, data, example)}
	}
	return nil
}

func webhookOperation(t catalogue.Type, data, example map[string]any) *huma.Operation {
	text := func(description string, example any) *huma.Schema {
		s := &huma.Schema{Type: huma.TypeString, Description: description}
		if example != nil {
			s.Examples = []any{example}
		}
		return s
	}
	body := &huma.Schema{
		Type: huma.TypeObject, Required: []string{"id", "type", "timestamp", "agent_id", "data"},
		Properties: map[string]*huma.Schema{
			"id":        text("The event's id, the same on every attempt: use it to drop repetitions.", nil),
			"type":      {Type: huma.TypeString, Enum: []any{t.Name}},
			"timestamp": {Type: huma.TypeString, Format: "date-time"},
			"agent_id":  text("The agent at which it happened.", nil),
			"data":      {Extensions: data},
		},
	}
	return &huma.Operation{
		OperationID: "webhook-" + t.Name, Tags: []string{tagWebhooks}, Summary: t.Name,
		Description: t.Description + "\n\nShown in the `standard` format; the formats `chatzuri` and `chatislav` name and order the fields differently.",
		Security:    []map[string][]string{},
		Parameters:  webhookHeaders(t.Name, text),
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{mediaJSON: {
			Schema: body,
			Example: map[string]any{
				"id": "evt_0crw6n2v4k8pq", "type": t.Name, "timestamp": "2026-04-26T08:30:14.000Z",
				"agent_id": "agent_42", "data": example,
			},
		}}},
		Responses: map[string]*huma.Response{
			"2XX": {Description: "The receiver has it. The body is kept in the log, up to 16 KiB, and does not matter."},
			"410": {Description: "The receiver is gone: under the standard policy the endpoint is suspended."},
			"4XX": {Description: "Tried again as the endpoint's retry policy says."},
			"5XX": {Description: "Tried again as the endpoint's retry policy says."},
		},
	}
}

func webhookHeaders(name string, text func(string, any) *huma.Schema) []*huma.Param {
	header := func(name, description string, required bool, example any) *huma.Param {
		return &huma.Param{Name: name, In: "header", Description: description, Required: required, Schema: text("", example)}
	}
	return []*huma.Param{
		header("webhook-id", "The event's id.", true, "evt_0crw6n2v4k8pq"),
		header("webhook-timestamp", "Unix seconds of this attempt.", true, "1777192214"),
		header("webhook-signature", "Standard Webhooks signatures over id.timestamp.body, space-separated; absent without a secret.", false,
			"v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="),
		header("X-Waybell-Event", "The canonical type.", true, name),
		header("X-Waybell-Agent", "The agent's id.", true, "agent_42"),
		header("X-Waybell-Delivery", "The delivery's id.", true, "dlv_0crw6n2v4k8pq00000001"),
		header("X-Waybell-Attempt", "The attempt's number, from 1.", true, "1"),
		header("X-Waybell-Test", "\"true\" on a test send, else absent.", false, nil),
	}
}
