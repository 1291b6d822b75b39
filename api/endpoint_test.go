package api_test

import (
	"strings"
	"testing"
)

func TestEndpoints(t *testing.T) {
	t.Parallel()
	s := setup(t)
	const all = "/v1/agents/a1/endpoints"
	s.run(t, []step{
		{"agent", "POST /v1/agents", `{"id":"a1","name":"Bot","available_events":["lead.submit","message.sent"]}`, nil, 201, "", ""},
		{"create", "POST " + all, `{"url":"https://8.8.8.8/hooks","events":["lead_collection"],"headers":[{"name":"X-Api-Key","value":"canary"}],"generate_secret":true}`, nil, 201,
			`{"id":"*","agent_id":"a1","url":"https://8.8.8.8/hooks","description":"","enabled":true,"events":["lead.submit"],"profile":"standard",
			"method":"POST","timeout_seconds":30,"headers":[{"name":"X-Api-Key","value":"••••"}],"format":"standard","signed":true,
			"include_messages":false,"standard_headers":true,"retry":{"policy":"standard","schedule_seconds":[5,30,120,300,900,1800,3600,7200,14400,25200,32400],"window_seconds":86400},
			"rate_limit_per_second":null,"concurrency":null,"state":"active","state_reason":null,"created_at":"*","updated_at":"*","warnings":[],"secret":"*"}`,
			"ep=id,tag=ETag,where=Location,secret=secret"},
		{"get", "GET {where}", "", nil, 200, `{"id":"{ep}","headers":[{"name":"X-Api-Key","value":"••••"}],"signed":true}`, ""},
		{"mask keeps", "PATCH {where}", `{"headers":[{"name":"X-Api-Key","value":"••••"}],"timeout_seconds":5}`, []string{"If-Match: {tag}"}, 200,
			`{"timeout_seconds":5,"headers":[{"name":"X-Api-Key","value":"••••"}]}`, ""},
		{"old version", "PATCH {where}", `{"timeout_seconds":6}`, []string{"If-Match: {tag}"}, 412, `{"code":"precondition_failed"}`, ""},
		{"retry in part", "PATCH {where}", `{"retry":{"schedule_seconds":[]}}`, nil, 200, `{"retry":{"policy":"standard","schedule_seconds":[],"window_seconds":86400}}`, ""},
		{"retry back", "PATCH {where}", `{"retry":null,"rate_limit_per_second":2.5,"concurrency":3}`, nil, 200, `{"retry":{"window_seconds":86400},"rate_limit_per_second":2.5,"concurrency":3}`, ""},
		{"warnings", "POST " + all, `{"url":"http://8.8.8.8/","events":[],"secret":"short-secret"}`, nil, 201, `{"signed":true,"warnings":["no_events_selected","weak_secret","not_https"]}`, "ep2=id"},
		{"not allowed", "POST " + all, `{"url":"http://169.254.169.254/"}`, nil, 422, `{"code":"target_not_allowed","errors":[{"location":"body.url"}]}`, ""},
		{"no URL", "POST " + all, `{"url":"ftp://example.com/"}`, nil, 422, `{"code":"invalid_url"}`, ""},
		{"missing URL", "POST " + all, `{"events":["*"]}`, nil, 422, `{"code":"invalid","errors":[{"location":"body.url"}]}`, ""},
		{"not in the plan", "POST " + all, `{"url":"https://8.8.8.8/","events":["feedback.submitted"]}`, nil, 422, `{"code":"event_not_available"}`, ""},
		{"no type", "POST " + all, `{"url":"https://8.8.8.8/","events":["nope.nope"]}`, nil, 422, `{"code":"unknown_event_type"}`, ""},
		{"ranges", "POST " + all, `{"url":"https://8.8.8.8/","timeout_seconds":121,"retry":{"schedule_seconds":[0],"window_seconds":604801}}`, nil, 422, `{"code":"invalid"}`, ""},
		{"profile", "POST " + all, `{"url":"https://8.8.8.8/","events":["*"],"profile":"chatislav"}`, nil, 201, `{"format":"chatislav","include_messages":true,"retry":{"policy":"chatislav"},"signed":false}`, "ep3=id"},
		{"list", "GET " + all + "?limit=1", "", nil, 200, `{"data":[{"id":"{ep3}"}],"next_cursor":"*"}`, "next=next_cursor"},
		{"rest", "GET " + all + "?limit=2&cursor={next}", "", nil, 200, `{"data":[{"id":"{ep2}"},{"id":"{ep}"}],"next_cursor":null}`, ""},
		{"secret", "GET {where}/secret", "", nil, 200, `{"secret":"{secret}","created_at":"*","previous_until":null}`, ""},
		{"rotate", "POST {where}/secret/rotate", "", nil, 200, `{"secret":"*","previous_until":"*"}`, "new=secret"},
		{"rotated", "GET {where}/secret", "", nil, 200, `{"secret":"{new}","previous_until":"*"}`, ""},
		{"rotate to", "POST {where}/secret/rotate", `{"overlap_seconds":0,"secret":"a secret of my own, long"}`, nil, 200, `{"secret":"a secret of my own, long","previous_until":null}`, ""},
		{"overlap", "POST {where}/secret/rotate", `{"overlap_seconds":604801}`, nil, 422, `{"errors":[{"location":"body.overlap_seconds"}]}`, ""},
		{"ed25519", "POST {where}/secret/rotate", `{"generate_secret":"ed25519"}`, nil, 200, `{"secret":"*","public_key":"*"}`, ""},
		{"no secret", "DELETE {where}/secret", "", nil, 204, "", ""},
		{"gone", "GET {where}/secret", "", nil, 404, `{"code":"secret_not_found"}`, ""},
		{"unsigned", "GET {where}", "", nil, 200, `{"signed":false}`, ""},
		{"pause", "POST {where}/pause", "", nil, 200, `{"state":"paused","state_since":"*"}`, ""},
		{"paused twice", "POST {where}/pause", "", nil, 200, `{"state":"paused"}`, ""},
		{"resume", "POST {where}/resume", "", nil, 200, `{"state":"active"}`, ""},
		{"resume with", "POST {where}/resume", `{"held":"cancel"}`, nil, 200, `{"state":"active"}`, ""},
		{"resume badly", "POST {where}/resume", `{"held":"drop"}`, nil, 422, `{"errors":[{"location":"body.held"}]}`, ""},
		{"disable", "PATCH {where}", `{"enabled":false}`, nil, 200, `{"state":"disabled","enabled":false}`, ""},
		{"paused while disabled", "POST {where}/pause", "", nil, 409, `{"code":"endpoint_disabled"}`, ""},
		{"missing", "GET " + all + "/ep_nothing", "", nil, 404, `{"code":"endpoint_not_found"}`, ""},
		{"other agent", "GET /v1/agents/a2/endpoints/{ep}", "", nil, 404, `{"code":"agent_not_found"}`, ""},
		{"delete", "DELETE {where}", "", nil, 204, "", ""},
		{"deleted", "GET {where}", "", nil, 404, `{"code":"endpoint_not_found"}`, ""},
	})
	if log := s.log.String(); !strings.Contains(log, "secret shown") || strings.Contains(log, "whsec_") || strings.Contains(log, "canary") {
		t.Errorf("the log does not tell who saw a secret, or tells too much:\n%s", log)
	}
}

// The actions on an endpoint are made on the version that If-Match names.
func TestActionsMatch(t *testing.T) {
	t.Parallel()
	s := setup(t)
	const one = "/v1/agents/a1/endpoints/{ep}"
	stale := []string{"If-Match: {old}"}
	s.run(t, []step{
		{"agent", "POST /v1/agents", `{"id":"a1","name":"Bot"}`, nil, 201, "", ""},
		{"create", "POST /v1/agents/a1/endpoints", `{"url":"https://8.8.8.8/","secret":"a secret of my own"}`, nil, 201, "", "ep=id,old=ETag"},
		{"pause", "POST " + one + "/pause", "", stale, 200, `{"state":"paused"}`, "tag=ETag"},
		{"pause stale", "POST " + one + "/pause", "", stale, 412, `{"code":"precondition_failed"}`, ""},
		{"resume stale", "POST " + one + "/resume", "", stale, 412, `{"code":"precondition_failed"}`, ""},
		{"rotate stale", "POST " + one + "/secret/rotate", "", stale, 412, `{"code":"precondition_failed"}`, ""},
		{"delete secret stale", "DELETE " + one + "/secret", "", stale, 412, `{"code":"precondition_failed"}`, ""},
		{"unchanged", "GET " + one + "/secret", "", nil, 200, `{"secret":"a secret of my own"}`, ""},
		{"still paused", "GET " + one, "", nil, 200, `{"state":"paused"}`, ""},
		{"resume", "POST " + one + "/resume", "", []string{"If-Match: {tag}"}, 200, `{"state":"active"}`, "tag=ETag"},
		{"rotate", "POST " + one + "/secret/rotate", "", []string{"If-Match: {tag}"}, 200, `{"secret":"*"}`, ""},
		{"get", "GET " + one, "", nil, 200, "", "tag=ETag"},
		{"delete secret", "DELETE " + one + "/secret", "", []string{"If-Match: {tag}"}, 204, "", ""},
		{"any", "POST " + one + "/pause", "", []string{"If-Match: *"}, 200, `{"state":"paused"}`, ""},
	})
}

func TestTooManyEndpoints(t *testing.T) {
	t.Parallel()
	s := setup(t, withOneEndpoint)
	s.run(t, []step{
		{"agent", "POST /v1/agents", `{"id":"a1","name":"Bot"}`, nil, 201, "", ""},
		{"first", "POST /v1/agents/a1/endpoints", `{"url":"https://8.8.8.8/"}`, nil, 201, "", ""},
		{"second", "POST /v1/agents/a1/endpoints", `{"url":"https://8.8.8.8/"}`, nil, 409, `{"code":"too_many_endpoints"}`, ""},
	})
}
