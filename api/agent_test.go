package api_test

import "testing"

func TestAgents(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.run(t, []step{
		{"create", "POST /v1/agents", `{"id":"a1","name":"Bot"}`, nil, 201,
			`{"id":"a1","name":"Bot","profile":"standard","metadata":{},"available_events":null,"endpoint_count":0,"created_at":"*","updated_at":"*"}`, "tag=ETag,where=Location"},
		{"where it is", "GET {where}", "", nil, 200, `{"id":"a1"}`, ""},
		{"exists", "POST /v1/agents", `{"id":"a1","name":"Bot"}`, nil, 409, `{"code":"agent_exists"}`, ""},
		{"made id", "POST /v1/agents", `{"name":"Bot"}`, nil, 201, `{"id":"*"}`, "made=id"},
		{"no name", "POST /v1/agents", `{"id":"a2"}`, nil, 422, `{"code":"invalid","errors":[{"location":"body.name","message":"*"}]}`, ""},
		{"no body", "POST /v1/agents", ``, nil, 400, `{"code":"malformed_json"}`, ""},
		{"bad id", "POST /v1/agents", `{"id":"a/b","name":"x"}`, nil, 422, `{"errors":[{"location":"body.id"}]}`, ""},
		{"empty id", "POST /v1/agents", `{"id":"","name":"x"}`, nil, 422, `{"errors":[{"location":"body.id","message":"must not be empty"}]}`, ""},
		{"null id", "POST /v1/agents", `{"id":null,"name":"x"}`, nil, 422, `{"errors":[{"location":"body.id"}]}`, ""},
		{"dots", "POST /v1/agents", `{"id":"..","name":"x"}`, nil, 422, `{"errors":[{"location":"body.id"}]}`, ""},
		{"unknown type", "POST /v1/agents", `{"id":"a2","name":"x","available_events":["nope"]}`, nil, 422, `{"code":"unknown_event_type"}`, ""},
		{"alias", "POST /v1/agents", `{"id":"ao3","name":"x","profile":"chatislav","available_events":["lead_collection"]}`, nil, 201,
			`{"available_events":["lead.submit"],"profile":"chatislav"}`, ""},
		{"get", "GET /v1/agents/a1", "", nil, 200, `{"id":"a1"}`, "same=ETag"},
		{"missing", "GET /v1/agents/nobody", "", nil, 404, `{"code":"agent_not_found"}`, ""},
		{"patch", "PATCH /v1/agents/a1", `{"metadata":{"plan":"pro"}}`, []string{"If-Match: {tag}", "Content-Type: application/merge-patch+json"}, 200,
			`{"name":"Bot","metadata":{"plan":"pro"}}`, "tag2=ETag"},
		{"patched before", "PATCH /v1/agents/a1", `{"name":"x"}`, []string{"If-Match: {tag}"}, 412, `{"code":"precondition_failed"}`, ""},
		{"merge", "PATCH /v1/agents/a1", `{"metadata":{"plan":null,"x":1},"profile":null}`, []string{`If-Match: "999999", {tag2}`}, 200,
			`{"name":"Bot","metadata":{"x":1}}`, ""},
		{"null name", "PATCH /v1/agents/a1", `{"name":null}`, nil, 422, `{"errors":[{"location":"body.name"}]}`, ""},
		{"other id", "PATCH /v1/agents/a1", `{"id":"a9"}`, nil, 422, `{"errors":[{"location":"body.id"}]}`, ""},
		{"replace", "PUT /v1/agents/a1", `{"name":"New"}`, nil, 200, `{"name":"New","metadata":{}}`, ""},
		{"put new", "PUT /v1/agents/a4", `{"name":"Four"}`, nil, 201, `{"id":"a4"}`, ""},
		{"put without name", "PUT /v1/agents/a5", `{}`, nil, 422, ``, ""},
		{"put bad id", "PUT /v1/agents/new%20p", `{"name":"x"}`, nil, 422, `{"errors":[{"location":"path.agent_id"}]}`, ""},
		{"put other version", "PUT /v1/agents/a4", `{"name":"Four"}`, []string{`If-Match: "999999"`}, 412, ``, ""},
		{"put what is there", "PUT /v1/agents/a4", `{"name":"Four"}`, []string{"If-Match: *"}, 200, ``, ""},
		{"put what is not there", "PUT /v1/agents/a5", `{"name":"Five"}`, []string{"If-Match: *"}, 412, `{"code":"precondition_failed"}`, ""},
		{"not made", "GET /v1/agents/a5", "", nil, 404, ``, ""},
		{"list", "GET /v1/agents?limit=2", "", nil, 200, `{"data":[{"id":"a4"},{"id":"ao3"}],"next_cursor":"*"}`, "next=next_cursor"},
		{"rest", "GET /v1/agents?cursor={next}", "", nil, 200, `{"data":[{"id":"{made}"},{"id":"a1"}],"next_cursor":null}`, ""},
		{"search", "GET /v1/agents?search=A&limit=2", "", nil, 200, `{"data":[{"id":"a4"},{"id":"ao3"}],"next_cursor":"*"}`, "found=next_cursor"},
		{"search on", "GET /v1/agents?search=a&cursor={found}", "", nil, 200, `{"data":[{"id":"{made}"},{"id":"a1"}],"next_cursor":null}`, ""},
		// No made id has an o in it.
		{"search ids", "GET /v1/agents?search=AO3", "", nil, 200, `{"data":[{"id":"ao3"}],"next_cursor":null}`, ""},
		{"search names", "GET /v1/agents?search=our", "", nil, 200, `{"data":[{"name":"Four","endpoint_count":0}],"next_cursor":null}`, ""},
		{"search nothing", "GET /v1/agents?search=%25", "", nil, 200, `{"data":[],"next_cursor":null}`, ""},
		{"endpoint", "POST /v1/agents/a4/endpoints", `{"url":"https://8.8.8.8/","events":[]}`, nil, 201, "", ""},
		{"count", "GET /v1/agents/a4", "", nil, 200, `{"endpoint_count":1}`, ""},
		{"cursor of another list", "GET /v1/keys?cursor={next}", "", nil, 422, `{"errors":[{"location":"query.cursor"}]}`, ""},
		{"delete other version", "DELETE /v1/agents/a4", "", []string{`If-Match: "999999"`}, 412, ``, ""},
		{"delete", "DELETE /v1/agents/a4", "", nil, 204, ``, ""},
		{"deleted", "DELETE /v1/agents/a4", "", nil, 404, `{"code":"agent_not_found"}`, ""},
	})
	for _, request := range []string{"POST /v1/agents", "PUT /v1/agents/a1", "PATCH /v1/agents/a1"} {
		if a := s.call(t, request, `{"name":"x","nmae":"y"}`); a.status != 422 || !a.has(t, `{"errors":[{"location":"body.nmae","message":"unknown field"}]}`) {
			t.Errorf("%s: %d %s", request, a.status, a.text)
		}
	}
}
