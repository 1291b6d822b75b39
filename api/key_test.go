package api_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/api"
)

func withOneEndpoint(c *waybell.Config, _ *api.Config) { c.Limits.EndpointsPerAgent = 1 }

func TestKeys(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.run(t, []step{
		{"create", "POST /v1/keys", `{"name":"crm","scopes":["events:write"],"agent_ids":["a1"]}`, nil, 201,
			`{"id":"*","key":"*","name":"crm","scopes":["events:write"],"agent_ids":["a1"],"root":false,"created_at":"*"}`, "id=id,key=key"},
		{"list", "GET /v1/keys", "", nil, 200, `{"data":[{"id":"{id}","name":"crm"},{"root":true,"agent_ids":null}],"next_cursor":null}`, ""},
		{"no scope", "POST /v1/keys", `{"scopes":[]}`, nil, 422, `{"errors":[{"location":"body.scopes"}]}`, ""},
		{"bad scope", "POST /v1/keys", `{"scopes":["everything"]}`, nil, 422, `{"errors":[{"location":"body.scopes[0]"}]}`, ""},
		{"no agents", "POST /v1/keys", `{"scopes":["events:write"],"agent_ids":[]}`, nil, 422, `{"errors":[{"location":"body.agent_ids"}]}`, ""},
		{"works", "GET /v1/agents", "", []string{"Authorization: Bearer {key}"}, 403, `{"code":"forbidden"}`, ""},
		{"revoke", "DELETE /v1/keys/{id}", "", nil, 204, "", ""},
		{"works no more", "GET /v1/agents", "", []string{"Authorization: Bearer {key}"}, 401, `{"code":"unauthorized"}`, ""},
		{"revoked", "DELETE /v1/keys/{id}", "", nil, 404, `{"code":"key_not_found"}`, ""},
	})
	if a := s.call(t, "GET /v1/keys", ""); strings.Contains(a.text, `"key":`) {
		t.Errorf("the list shows keys: %s", a.text)
	}
}

// scopesOf is the whole table of which scope opens which route.
var scopesOf = map[string]waybell.Scope{
	"POST /v1/agents":                               waybell.ScopeAdmin,
	"GET /v1/agents":                                waybell.ScopeEndpointsRead,
	"GET /v1/agents/a1":                             waybell.ScopeEndpointsRead,
	"PUT /v1/agents/a1":                             waybell.ScopeEndpointsWrite,
	"PATCH /v1/agents/a1":                           waybell.ScopeEndpointsWrite,
	"DELETE /v1/agents/a1":                          waybell.ScopeEndpointsWrite,
	"POST /v1/agents/a1/endpoints":                  waybell.ScopeEndpointsWrite,
	"GET /v1/agents/a1/endpoints":                   waybell.ScopeEndpointsRead,
	"GET /v1/agents/a1/endpoints/ep":                waybell.ScopeEndpointsRead,
	"PATCH /v1/agents/a1/endpoints/ep":              waybell.ScopeEndpointsWrite,
	"DELETE /v1/agents/a1/endpoints/ep":             waybell.ScopeEndpointsWrite,
	"POST /v1/agents/a1/endpoints/ep/secret/rotate": waybell.ScopeSecretsWrite,
	"GET /v1/agents/a1/endpoints/ep/secret":         waybell.ScopeSecretsRead,
	"DELETE /v1/agents/a1/endpoints/ep/secret":      waybell.ScopeSecretsWrite,
	"POST /v1/agents/a1/endpoints/ep/pause":         waybell.ScopeEndpointsWrite,
	"POST /v1/agents/a1/endpoints/ep/resume":        waybell.ScopeEndpointsWrite,
	"POST /v1/agents/a1/endpoints/ep/test":          waybell.ScopeDeliveriesWrite,
	"GET /v1/agents/a1/endpoints/ep/ledger":         waybell.ScopeDeliveriesRead,
	"GET /v1/agents/a1/ledger":                      waybell.ScopeDeliveriesRead,
	"POST /v1/agents/a1/events":                     waybell.ScopeEventsWrite,
	"GET /v1/agents/a1/events":                      waybell.ScopeDeliveriesRead,
	"GET /v1/agents/a1/events/evt":                  waybell.ScopeDeliveriesRead,
	"POST /v1/events":                               waybell.ScopeEventsWrite,
	"POST /v1/agents/a1/endpoints/preview":          waybell.ScopeEndpointsRead,
	"GET /v1/profiles":                              waybell.ScopeEndpointsRead,
	"POST /v1/agents/a1/inboxes":                    waybell.ScopeEndpointsWrite,
	"GET /v1/agents/a1/inboxes":                     waybell.ScopeEndpointsRead,
	"GET /v1/agents/a1/inboxes/inb":                 waybell.ScopeEndpointsRead,
	"PATCH /v1/agents/a1/inboxes/inb":               waybell.ScopeEndpointsWrite,
	"DELETE /v1/agents/a1/inboxes/inb":              waybell.ScopeEndpointsWrite,
	"GET /v1/agents/a1/inboxes/inb/requests":        waybell.ScopeEndpointsRead,
	"DELETE /v1/agents/a1/inboxes/inb/requests":     waybell.ScopeEndpointsWrite,
	"GET /v1/event-types":                           waybell.ScopeEndpointsRead,
	"GET /v1/event-types/lead.submit":               waybell.ScopeEndpointsRead,
	"PUT /v1/event-types/x.y":                       waybell.ScopeAdmin,
	"DELETE /v1/event-types/x.y":                    waybell.ScopeAdmin,
	"GET /v1/agents/a1/deliveries":                  waybell.ScopeDeliveriesRead,
	"GET /v1/agents/a1/deliveries/dlv":              waybell.ScopeDeliveriesRead,
	"GET /v1/agents/a1/deliveries/export":           waybell.ScopeDeliveriesRead,
	"POST /v1/agents/a1/deliveries/retry":           waybell.ScopeDeliveriesWrite,
	"GET /v1/agents/a1/stream":                      waybell.ScopeDeliveriesRead,
	"GET /v1/stream":                                waybell.ScopeAdmin,
	"POST /v1/agents/a1/deliveries/dlv/retry":       waybell.ScopeDeliveriesWrite,
	"POST /v1/agents/a1/deliveries/dlv/cancel":      waybell.ScopeDeliveriesWrite,
	"POST /v1/agents/a1/portal-sessions":            waybell.ScopeEndpointsRead,
	"POST /v1/console-sessions":                     waybell.ScopeAdmin,
	"PUT /v1/branding":                              waybell.ScopeAdmin,
	"GET /v1/agents/a1/statistics":                  waybell.ScopeDeliveriesRead,
	"GET /v1/agents/a1/statistics/endpoints":        waybell.ScopeDeliveriesRead,
	"GET /v1/statistics":                            waybell.ScopeAdmin,
	"GET /v1/failing-endpoints":                     waybell.ScopeAdmin,
	"GET /v1/system":                                waybell.ScopeAdmin,
	"GET /v1/nodes":                                 waybell.ScopeAdmin,
	"POST /v1/keys":                                 waybell.ScopeAdmin,
	"GET /v1/keys":                                  waybell.ScopeAdmin,
	"DELETE /v1/keys/key":                           waybell.ScopeAdmin,
}

// TestScopes asks every route without a key, with a bad one, with a key that
// has all other scopes, and, under an agent, with a key for another agent.
func TestScopes(t *testing.T) {
	t.Parallel()
	s := setup(t)
	all := []waybell.Scope{
		waybell.ScopeEventsWrite, waybell.ScopeEndpointsRead, waybell.ScopeEndpointsWrite,
		waybell.ScopeDeliveriesRead, waybell.ScopeDeliveriesWrite, waybell.ScopeSecretsRead, waybell.ScopeSecretsWrite,
	}
	key := func(agents []string, keep func(waybell.Scope) bool) string {
		var scopes []waybell.Scope
		for _, scope := range all {
			if keep(scope) {
				scopes = append(scopes, scope)
			}
		}
		_, text, err := s.svc.CreateKey(t.Context(), waybell.KeyInput{Scopes: scopes, AgentIDs: agents})
		if err != nil {
			t.Fatal(err)
		}
		return "Authorization: Bearer " + text.Reveal()
	}
	without := map[waybell.Scope]string{}
	for _, scope := range append(all, waybell.ScopeAdmin) {
		write := strings.Replace(string(scope), ":read", ":write", 1)
		without[scope] = key(nil, func(has waybell.Scope) bool {
			return has != scope && (string(has) != write || has == waybell.ScopeSecretsWrite) &&
				(has != waybell.ScopeEndpointsWrite || scope != waybell.ScopeSecretsWrite)
		})
	}
	elsewhere := key([]string{"a2"}, func(waybell.Scope) bool { return true })
	for request, scope := range scopesOf {
		a := s.call(t, request, "{}", "Authorization: ")
		if a.status != 401 || a.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s without a key: %d %v", request, a.status, a.header)
		}
		for _, bad := range []string{"Bearer wb_wrong", "Basic " + rootKey, "Bearer", rootKey} {
			if a := s.call(t, request, "{}", "Authorization: "+bad); a.status != 401 || strings.Contains(a.text, rootKey) {
				t.Errorf("%s with %q: %d %s", request, bad, a.status, a.text)
			}
		}
		a = s.call(t, request, "{}", without[scope])
		if a.status != 403 || !strings.Contains(a.str("detail"), string(scope)) || !strings.Contains(a.header.Get("WWW-Authenticate"), string(scope)) {
			t.Errorf("%s without %s: %d %s", request, scope, a.status, a.text)
		}
		if strings.Contains(request, "/a1") {
			if a := s.call(t, request, "{}", elsewhere); a.status != 404 || a.str("code") != "agent_not_found" {
				t.Errorf("%s with a key of another agent: %d %s", request, a.status, a.text)
			}
		}
	}
}

func TestRestrictedKey(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.run(t, []step{
		{"a1", "POST /v1/agents", `{"id":"a1","name":"Bot","available_events":["lead.submit"]}`, nil, 201, "", ""},
		{"a2", "POST /v1/agents", `{"id":"a2","name":"Bot"}`, nil, 201, "", ""},
		{"key", "POST /v1/keys", `{"scopes":["endpoints:write"],"agent_ids":["a1","a3"]}`, nil, 201, "", "key=key"},
		{"only its own", "GET /v1/agents", "", []string{"Authorization: Bearer {key}"}, 200, `{"data":[{"id":"a1"}],"next_cursor":null}`, ""},
		{"search", "GET /v1/agents?search=bot", "", []string{"Authorization: Bearer {key}"}, 200, `{"data":[{"id":"a1"}],"next_cursor":null}`, ""},
		{"replace", "PUT /v1/agents/a1", `{"name":"New"}`, []string{"Authorization: Bearer {key}"}, 200, `{"name":"New"}`, ""},
		{"create", "PUT /v1/agents/a3", `{"name":"New"}`, []string{"Authorization: Bearer {key}"}, 403, `{"code":"forbidden"}`, ""},
		{"deleted", "DELETE /v1/agents/a1", "", nil, 204, "", ""},
		{"nobody's", "GET /v1/agents/a1", "", []string{"Authorization: Bearer {key}"}, 404, `{"code":"agent_not_found"}`, ""},
		{"the same id", "PUT /v1/agents/a1", `{"name":"Another"}`, nil, 201, "", ""},
		{"a key is for ids", "GET /v1/agents/a1", "", []string{"Authorization: Bearer {key}"}, 200, `{"name":"Another"}`, ""},
		{"types of another", "GET /v1/event-types?agent_id=a2", "", []string{"Authorization: Bearer {key}"}, 404, `{"code":"agent_not_found"}`, ""},
	})
}

func TestEventTypes(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.run(t, []step{
		{"agent", "POST /v1/agents", `{"id":"a1","name":"Bot","available_events":["message.sent"]}`, nil, 201, "", ""},
		{"built in", "GET /v1/event-types/lead.submit", "", nil, 200, `{"name":"lead.submit","alias":"lead_collection","description":"*","schema":"*","example":"*","built_in":true,"available":true,"created_at":null,"updated_at":null}`, ""},
		{"by alias", "GET /v1/event-types/conversation_summary", "", nil, 200, `{"name":"conversation.summary"}`, ""},
		{"read-only", "PUT /v1/event-types/lead.submit", `{"description":"x"}`, nil, 409, `{"code":"event_type_read_only"}`, ""},
		{"register", "PUT /v1/event-types/order.placed", `{"description":"An order.","schema":{"type":"object","required":["n"]},"example":{"n":1}}`, nil, 201,
			`{"name":"order.placed","alias":null,"built_in":false,"schema":{"type":"object","required":["n"]},"example":{"n":1},"created_at":"*"}`, ""},
		{"replace", "PUT /v1/event-types/order.placed", `{"description":"An order!","schema":null}`, nil, 200, `{"description":"An order!","schema":null,"example":{}}`, ""},
		{"schema true", "PUT /v1/event-types/order.free", `{"schema":true,"example":{"n":1}}`, nil, 201, `{"schema":true}`, ""},
		{"any object fits it", "POST /v1/agents/a1/events", `{"event":"order.free","data":{"n":[1]}}`, nil, 202, "", ""},
		{"schema false", "PUT /v1/event-types/order.free", `{"schema":false}`, nil, 200, `{"schema":false}`, ""},
		{"nothing fits it", "POST /v1/agents/a1/events", `{"event":"order.free"}`, nil, 422, `{"errors":[{"location":"body.data"}]}`, ""},
		{"shown", "GET /v1/event-types/order.free", "", nil, 200, `{"schema":false}`, ""},
		{"forgotten", "DELETE /v1/event-types/order.free", "", nil, 204, "", ""},
		{"bad name", "PUT /v1/event-types/Order", `{}`, nil, 422, ``, ""},
		{"reserved", "PUT /v1/event-types/webhook.test", `{}`, nil, 409, `{"code":"event_type_read_only"}`, ""},
		{"bad schema", "PUT /v1/event-types/a.b", `{"schema":{"type":"strin"}}`, nil, 422, `{"errors":[{"location":"body.schema.type"}]}`, ""},
		{"refers outside", "PUT /v1/event-types/a.b", `{"schema":{"$ref":"file:///etc/passwd"}}`, nil, 422, ``, ""},
		{"schema of a wrong type", "PUT /v1/event-types/a.b", `{"schema":"x"}`, nil, 422, `{"errors":[{"location":"body.schema"}]}`, ""},
		{"list", "GET /v1/event-types?limit=1&agent_id=a1", "", nil, 200, `{"data":[{"name":"lead.submit","available":false}],"next_cursor":"*"}`, ""},
		{"unknown agent", "GET /v1/event-types?agent_id=a9", "", nil, 404, `{"code":"agent_not_found"}`, ""},
		{"in use", "POST /v1/agents", `{"id":"a2","name":"Bot"}`, nil, 201, "", ""},
		{"subscribed", "POST /v1/agents/a2/endpoints", `{"url":"https://8.8.8.8/","events":["order.placed"]}`, nil, 201, "", "ep=id"},
		{"still subscribed", "DELETE /v1/event-types/order.placed", "", nil, 409, `{"code":"event_type_in_use"}`, ""},
		{"unsubscribe", "DELETE /v1/agents/a2/endpoints/{ep}", "", nil, 204, "", ""},
		{"delete", "DELETE /v1/event-types/order.placed", "", nil, 204, "", ""},
		{"deleted", "GET /v1/event-types/order.placed", "", nil, 404, `{"code":"event_type_not_found"}`, ""},
		{"read-only too", "DELETE /v1/event-types/lead.submit", "", nil, 409, `{"code":"event_type_read_only"}`, ""},
	})
	if a := s.call(t, "GET /v1/event-types", ""); len(a.json.(map[string]any)["data"].([]any)) != 8 {
		t.Errorf("not all built-in types are listed: %s", a.text)
	}
}

// TestForeignThings: a key for one agent that names another agent's endpoint,
// event or delivery below its own agent is told that there is none, and has
// changed nothing.
func TestForeignThings(t *testing.T) {
	t.Parallel()
	s := setup(t)
	kept := s.run(t, []step{
		{"a1", "POST /v1/agents", `{"id":"a1","name":"Bot"}`, nil, 201, "", ""},
		{"a2", "POST /v1/agents", `{"id":"a2","name":"Bot"}`, nil, 201, "", ""},
		{"endpoint", "POST /v1/agents/a1/endpoints", `{"url":"http://127.0.0.1:1/","events":["*"],"generate_secret":true}`, nil, 201, "", "ep=id"},
		{"pause", "POST /v1/agents/a1/endpoints/{ep}/pause", "", nil, 200, "", ""},
		{"event", "POST /v1/agents/a1/events", `{"event":"message.sent","id":"chosen"}`, nil, 202, "", ""},
	})
	view, err := s.svc.Event(t.Context(), "a1", "chosen")
	if err != nil || len(view.Deliveries) != 1 {
		t.Fatal(err, view)
	}
	kept["dlv"] = view.Deliveries[0].DeliveryRef.ID()
	_, text, err := s.svc.CreateKey(t.Context(), waybell.KeyInput{AgentIDs: []string{"a2"}, Scopes: []waybell.Scope{
		waybell.ScopeEventsWrite, waybell.ScopeEndpointsWrite, waybell.ScopeDeliveriesWrite, waybell.ScopeSecretsRead,
	}})
	if err != nil {
		t.Fatal(err)
	}
	state := func() (list []string) {
		for _, path := range []string{"/endpoints/" + kept["ep"], "/endpoints/" + kept["ep"] + "/secret", "/deliveries/" + kept["dlv"], "/ledger"} {
			list = append(list, s.call(t, "GET /v1/agents/a1"+path, "").text)
		}
		return list
	}
	before := state()
	replace := strings.NewReplacer("/a1/", "/a2/", "/endpoints/ep", "/endpoints/"+kept["ep"], "/evt", "/chosen", "/dlv", "/"+kept["dlv"])
	asked := 0
	for request := range scopesOf {
		if !strings.Contains(request, "/endpoints/ep") && !strings.Contains(request, "/dlv") && !strings.HasSuffix(request, "/evt") {
			continue
		}
		asked++
		a := s.call(t, replace.Replace(request), "{}", "Authorization: Bearer "+text.Reveal())
		if a.status != 404 || strings.Contains(a.text, "127.0.0.1") {
			t.Errorf("%s of another agent: %d %s", request, a.status, a.text)
		}
	}
	if after := state(); asked < 14 || !slices.Equal(before, after) {
		t.Errorf("%d routes were asked; before\n%q\nafter\n%q", asked, before, after)
	}
	// A filter and a cursor carry ids as well.
	mine := "Authorization: Bearer " + text.Reveal()
	if a := s.call(t, "GET /v1/agents/a2/deliveries?endpoint_id="+kept["ep"], "", mine); a.status != 422 {
		t.Errorf("a filter by another agent's endpoint: %d %s", a.status, a.text)
	}
}
