package main

import (
	"time"

	"github.com/spf13/pflag"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/format"
)

// settings is everything that `waybell serve` can be told.
type settings struct {
	Listen        textValue
	MetricsListen textValue
	Metrics, Docs boolValue
	Console       boolValue
	PublicURL     textValue
	PortalOrigins listValue

	DataDir     textValue
	DatabaseURL secretValue // may hold a password
	ListenURL   secretValue
	ReplicaURL  secretValue
	Connections intValue
	Retention   durationValue

	APIKey        secretValue
	EncryptionKey secretValue
	AllowTargets  listValue
	EgressProxy   secretValue

	IngressTransport string
	EgressTransport  string
	InboxTTL         durationValue
	CreateAgents     boolValue
	SuspendAfter     durationValue
	PublishWait      durationValue
	SuspendFailures  intValue
	NodeName         textValue
	Role             string
	ShutdownGrace    durationValue
	LogFormat        string
	LogLevel         string

	MaxEventBytes, MaxBatchBytes, MaxPublishBytes, MaxQueueBytes   sizeValue
	MaxBatchEvents, MaxEndpoints, MaxInFlight, EndpointConcurrency intValue
	MaxQueueLength, MaxQueued, MaxOutcomes, MaxSessions            intValue
	MaxConnections, MaxStreams, MaxInboxes, MaxInboxRequests       intValue
	MaxInboxBodyBytes                                              sizeValue

	Formats    format.Config
	EventTypes []eventTypeSetting
}

// setting is one row of the table that all else is made from: flags,
// environment, file, `waybell config show` and docs/configuration.md.
type setting struct {
	section string
	name    string // the flag, the key of the file, and in WAYBELL_<NAME>
	value   pflag.Value
	secret  bool
	help    string // one sentence, without a full stop
	note    string // more for the documentation
	limit   string // the field of waybell.Limits, where it is one
}

// section titles, in the order of the documentation.
const (
	sectionHTTP     = "HTTP"
	sectionStore    = "Store"
	sectionSecurity = "Security"
	sectionDelivery = "Delivery"
	sectionProcess  = "Process"
	sectionLimits   = "Limits"
)

// The words of ingress-transport and egress-transport.
const (
	transportLean    = "lean"
	transportNetHTTP = "net/http"
)

// newSettings are the defaults.
func newSettings() *settings {
	return &settings{
		Listen: "127.0.0.1:8080", Metrics: true, Docs: true, Console: true,
		DataDir: "./waybell-data", Connections: 16, Retention: durationValue(30 * day), Role: waybell.RoleAll.String(),
		IngressTransport: transportLean, EgressTransport: transportLean,
		SuspendAfter: durationValue(5 * day), SuspendFailures: 20, InboxTTL: durationValue(7 * day),
		PublishWait:   durationValue(20 * time.Millisecond),
		ShutdownGrace: durationValue(25 * time.Second), LogFormat: "text", LogLevel: "info",
		MaxEventBytes: 1 << 20, MaxBatchBytes: 10 << 20, MaxPublishBytes: 64 << 20, MaxQueueBytes: 64 << 20,
		MaxBatchEvents: 1000, MaxEndpoints: 100, MaxInFlight: 512, EndpointConcurrency: 16,
		MaxQueueLength: 16384, MaxQueued: 65536, MaxOutcomes: 8192, MaxSessions: 1000, MaxStreams: 1000, MaxConnections: 4096,
		MaxInboxes: 10, MaxInboxRequests: 100, MaxInboxBodyBytes: 64 << 10,
	}
}

// table binds the settings to their descriptions, in the order of the documentation.
func (s *settings) table() (rows []setting) {
	for _, part := range []struct {
		title string
		rows  []setting
	}{
		{sectionHTTP, s.httpTable()}, {sectionStore, s.storeTable()}, {sectionSecurity, s.securityTable()},
		{sectionDelivery, s.deliveryTable()}, {sectionProcess, s.processTable()}, {sectionLimits, s.limitTable()},
	} {
		for _, row := range part.rows {
			row.section = part.title
			rows = append(rows, row)
		}
	}
	return rows
}

func (s *settings) httpTable() []setting {
	return []setting{
		{name: "listen", value: &s.Listen,
			help: "address and port of the HTTP API",
			note: "`127.0.0.1:8080` is reached from this machine only; `:8080` listens on all addresses. Put a TLS proxy in front of anything public."},
		{name: "metrics", value: &s.Metrics,
			help: "serve Prometheus metrics at /metrics, without a key"},
		{name: "metrics-listen", value: &s.MetricsListen,
			help: "serve the metrics on an address of their own instead"},
		{name: "docs", value: &s.Docs,
			help: "serve the API reference at /docs and /openapi.json, without a key"},
		{name: "console", value: &s.Console,
			help: "serve the screens: the console at /console/ and the portal at /portal/"},
		{name: "public-url", value: &s.PublicURL,
			help: "where browsers find this server, such as https://hooks.example.com or https://example.com/waybell",
			note: "Links to the console, the portal and inboxes begin with it. Without it links to the console and the portal begin with the address that the request for them came to, those to inboxes with the address this server listens on. A proxy in front that serves a path of its own, as in the second example, must strip it."},
		{name: "portal-origins", value: &s.PortalOrigins,
			help: "origins of the pages that may embed the portal, such as https://app.example.com",
			note: "Exact origins, without a path; `http://` only for loopback hosts. Without any, no page can embed it; a link to it still works."},
		{name: "ingress-transport", value: choiceValue{&s.IngressTransport, []string{transportLean, transportNetHTTP}},
			help: "code that reads requests to publish and writes their answers: Waybell's own, or the server of Go's net/http",
			note: "Its own takes those that are written plainly (HTTP/1.1, a length and no more than 256 KiB, nothing unusual in the header); all others are net/http's anyway. `net/http` for all costs more CPU; choose it to find out whether a client's trouble is the server's."},
	}
}

func (s *settings) storeTable() []setting {
	return []setting{
		{name: "data-dir", value: &s.DataDir,
			help: "directory of the embedded store, made if it is missing",
			note: "One process at a time uses a data directory. It holds the database, its write-ahead log and, unless `encryption-key` is set, `encryption.key`. It is not used with `database-url`."},
		{name: "database-url", value: &s.DatabaseURL, secret: true,
			help: "keep everything in PostgreSQL (15 or newer), which any number of nodes may share: postgres://user:password@host:5432/database",
			note: "A database, or a schema, of its own. Special characters of the password are percent-encoded: `%40` for `@`, `%2F` for `/`. Several hosts may be given, with `?target_session_attrs=read-write`. It may lead through PgBouncer in transaction mode. `encryption-key` is needed then, the same for all nodes. A start waits up to a minute for the database."},
		{name: "database-listen-url", value: &s.ListenURL, secret: true,
			help: "the same database without a pooler, so that nodes hear at once what others change",
			note: "Only for where `database-url` leads through a pooler; without it they ask twice a second."},
		{name: "database-replica-url", value: &s.ReplicaURL, secret: true,
			help: "a standby of the same database, for the queries of the log",
			note: "They may be as far behind as the standby is. While it does not answer, `database-url` does."},
		{name: "database-connections", value: &s.Connections,
			help: "connections to PostgreSQL that this process opens at most",
			note: "At least 8."},
		{name: "retention", value: &s.Retention,
			help: "how long events and their log are kept; 0 keeps them for ever"},
	}
}

func (s *settings) securityTable() []setting {
	return []setting{
		{name: "api-key", value: &s.APIKey, secret: true,
			help: "the first API key, with all rights (24-256 printable characters)",
			note: "Without it a key is made and printed once, at the first start; of several nodes one prints it. A changed value replaces the key at the next start, for all nodes: give them the same, or none."},
		{name: "encryption-key", value: &s.EncryptionKey, secret: true,
			help: "encrypts signing secrets and header values: base64 of 32 bytes; several, separated by commas, decrypt and the first encrypts",
			note: "Without it a key is made once and kept in `encryption.key` in the data directory, readable by the owner only; with `database-url` it must be given, the same to all nodes. Make one with `openssl rand -base64 32`. Backups of the database do not hold the key."},
		{name: "allow-targets", value: &s.AllowTargets,
			help: "networks, addresses, hosts or host:port that endpoints may lead to although they are not public",
			note: "An explicit exception from the rule that only public addresses are reached, on any port; logged at each start. A wide network never includes loopback, link-local or metadata addresses unless they are named themselves. For a test on one machine: `127.0.0.0/8,::1`."},
		{name: "egress-proxy", value: &s.EgressProxy, secret: true,
			help: "HTTP proxy through which receivers are reached: http://user:password@proxy.lan:3128",
			note: "It must permit CONNECT to addresses, for `http://` receivers too: names are resolved and checked here, and never reach it. What the environment says of proxies is not used."},
	}
}

func (s *settings) deliveryTable() []setting {
	return []setting{
		{name: "create-agents", value: &s.CreateAgents,
			help: "make an agent on its first event instead of answering agent_not_found"},
		{name: "inbox-ttl", value: &s.InboxTTL,
			help: "how long an inbox, a throw-away receiver on this server, lives after it was last used; 0 switches inboxes off",
			note: "Using it is changing it, looking at it or sending to it. Its URL begins with `public-url`, or with the address this server listens on."},
		{name: "egress-transport", value: choiceValue{&s.EgressTransport, []string{transportLean, transportNetHTTP}},
			help: "code that writes requests to receivers and reads their answers: Waybell's own, or the client of Go's net/http",
			note: "The same addresses are refused and the same limits hold with both. `net/http` costs more CPU; choose it to find out whether a receiver's trouble is the sender's."},
		{name: "suspend-after", value: &s.SuspendAfter,
			help: "suspend an endpoint that had no success for this long; 0 suspends nobody",
			note: "Only together with `suspend-failures`. An endpoint that answers 410 under the standard policy is suspended at once."},
		{name: "suspend-failures", value: &s.SuspendFailures,
			help: "how many failures in a row an endpoint must have before it is suspended"},
		{name: "publish-wait", value: &s.PublishWait,
			help: "how long the answer to a publisher is held back at most while deliveries pile up in memory, up to 1s; 0 never holds one back",
			note: "It rises to this as `max-queue-length` is approached, from half of it on, by an endpoint that is sent to fast (1,024 deliveries within a second at least): publishers that wait for their answers then publish about as fast as it is delivered, and nothing goes through the store twice. The event is stored and on its way before."},
	}
}

func (s *settings) processTable() []setting {
	return []setting{
		{name: "node-name", value: &s.NodeName,
			help: "name of this process in the list of nodes; default host name and process id"},
		{name: "role", value: choiceValue{&s.Role, []string{"all", "api", "worker"}},
			help: "part of the work that this node does: api serves the API and the screens and sends nothing, worker delivers and serves health and metrics only",
			note: "Only with `database-url`; some node must deliver."},
		{name: "shutdown-grace", value: &s.ShutdownGrace,
			help: "how long attempts under way may take after SIGTERM or SIGINT",
			note: "Keep it below the time after which the process is killed (Docker: 10 s, Kubernetes: 30 s)."},
		{name: "log-format", value: choiceValue{&s.LogFormat, []string{"text", "json"}},
			help: "form of the log on standard error"},
		{name: "log-level", value: choiceValue{&s.LogLevel, []string{"debug", "info", "warn", "error"}},
			help: "least level that is logged"},
	}
}

// limitTable has a row for each field of waybell.Limits.
func (s *settings) limitTable() []setting {
	return []setting{
		{name: "max-connections", value: &s.MaxConnections,
			help: "connections of clients open at once, for each address that is listened on; others wait to be taken",
			note: "A proxy in front should bound what one client opens: who holds all of them keeps others out, health checks too."},
		{name: "max-event-bytes", limit: "EventBytes", value: &s.MaxEventBytes, help: "body of one event"},
		{name: "max-batch-bytes", limit: "BatchBytes", value: &s.MaxBatchBytes, help: "body of a batch of events"},
		{name: "max-batch-events", limit: "BatchEvents", value: &s.MaxBatchEvents, help: "events of a batch"},
		{name: "max-endpoints-per-agent", limit: "EndpointsPerAgent", value: &s.MaxEndpoints, help: "endpoints of one agent"},
		{name: "max-sessions-per-agent", limit: "SessionsPerAgent", value: &s.MaxSessions,
			help: "living sessions of one agent's portal, and of the console",
			note: "A link that is not used lives for a minute, one that is used for its `ttl_seconds`."},
		{name: "max-publish-bytes", limit: "PublishBytes", value: &s.MaxPublishBytes,
			help: "bodies of events that wait to be made durable; above it publishing answers 503",
			note: "Bounds memory, never the durable backlog. Bodies of more than 16 KiB that are read at the same time, each counted 16 times, have as much again."},
		{name: "max-in-flight", limit: "InFlight", value: &s.MaxInFlight, help: "attempts that this process makes at once"},
		{name: "endpoint-concurrency", limit: "Concurrency", value: &s.EndpointConcurrency,
			help: "attempts that one endpoint gets at once from this process, where it has no figure of its own",
			note: "With the default, one that answers within 100 ms and failed at nothing for a minute gets up to 32 while fewer than four endpoints have anything to send, and up to 64 where it is the only one and a thousand of its deliveries wait in memory, but never more than half of `max-in-flight`, nor where its retry policy or schedule ends a delivery that is refused for overload (429, 500, 502 to 504); any other figure is kept to."},
		{name: "max-queued", limit: "Queued", value: &s.MaxQueued,
			help: "deliveries that wait in memory in all; more wait in the store"},
		{name: "max-queue-length", limit: "QueueLength", value: &s.MaxQueueLength,
			help: "deliveries of one endpoint that wait in memory; more wait in the store"},
		{name: "max-queue-bytes", limit: "QueueBytes", value: &s.MaxQueueBytes,
			help: "bodies kept in memory with queued deliveries; above it they are read again when sent"},
		{name: "max-outcomes", limit: "Outcomes", value: &s.MaxOutcomes,
			help: "outcomes that may wait to be made durable before no new attempt starts"},
		{name: "max-streams", limit: "Streams", value: &s.MaxStreams, help: "live streams open at once; above it opening one answers 503",
			note: "One agent's viewers have a quarter of them at most."},
		{name: "max-inboxes-per-agent", limit: "InboxesPerAgent", value: &s.MaxInboxes, help: "inboxes of one agent"},
		{name: "max-inbox-requests", limit: "InboxRequests", value: &s.MaxInboxRequests, help: "requests that an inbox keeps; the oldest go"},
		{name: "max-inbox-body-bytes", limit: "InboxBodyBytes", value: &s.MaxInboxBodyBytes,
			help: "how much an inbox keeps of a body",
			note: "Others than this server may send it at most twice as much."},
	}
}

// limits are the settings of the section of that name.
func (s *settings) limits() waybell.Limits {
	return waybell.Limits{
		EventBytes: int(s.MaxEventBytes), BatchBytes: int(s.MaxBatchBytes), BatchEvents: int(s.MaxBatchEvents),
		EndpointsPerAgent: int(s.MaxEndpoints), SessionsPerAgent: int(s.MaxSessions), PublishBytes: int64(s.MaxPublishBytes), InFlight: int(s.MaxInFlight),
		Concurrency: int(s.EndpointConcurrency), QueueLength: int(s.MaxQueueLength), Queued: int(s.MaxQueued),
		QueueBytes: int64(s.MaxQueueBytes), Outcomes: int(s.MaxOutcomes), Streams: int(s.MaxStreams),
		InboxesPerAgent: int(s.MaxInboxes), InboxRequests: int(s.MaxInboxRequests), InboxBodyBytes: int(s.MaxInboxBodyBytes),
	}
}

// service is the configuration of the library that the settings describe; the
// caller adds store, logger and keys.
func (s *settings) service() waybell.Config {
	never := func(d durationValue) time.Duration { // 0 is "never" here, and "default" there
		if d == 0 {
			return -1
		}
		return time.Duration(d)
	}
	return waybell.Config{
		Node: string(s.NodeName), Role: s.role(), Version: build().Version, AllowTargets: s.AllowTargets, EgressProxy: waybell.Secret(s.EgressProxy),
		CreateAgents: bool(s.CreateAgents), Retention: never(s.Retention),
		SuspendAfter: never(s.SuspendAfter), SuspendFailures: int(s.SuspendFailures), PublishWait: never(s.PublishWait),
		OwnURL: string(s.PublicURL), InboxTTL: never(s.InboxTTL), NetHTTP: s.EgressTransport == transportNetHTTP,
		Formats: s.Formats, Limits: s.limits(),
	}
}

// role is the setting of that name; the table allows no other word.
func (s *settings) role() waybell.Role {
	role, err := waybell.ParseRole(s.Role)
	if err != nil {
		return waybell.RoleAll
	}
	return role
}

// shared tells whether the store is one that other nodes may use.
func (s *settings) shared() bool { return s.DatabaseURL != "" }
