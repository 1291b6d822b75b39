package waybell

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"github.com/waybell/waybell/format"
)

// Resolver finds the addresses of a name. *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Config is everything a [Service] needs. Only Store and EncryptionKeys are
// required; the zero value of every other field means its default.
type Config struct {
	Store  Store
	Logger *slog.Logger // nil = slog.Default()
	// Node names this process in the nodes' list; default: host name and pid.
	Node string
	// Role is the part of the work this node does where nodes share a store;
	// default RoleAll. An embedded store needs RoleAll.
	Role Role
	// Version is sent as User-Agent "Waybell/<Version>".
	Version string
	// EncryptionKeys encrypt the endpoints' secrets and header values
	// (AES-256-GCM): base64 of 32 bytes each. The first encrypts, all decrypt.
	EncryptionKeys []Secret

	// Formats are the formats, retry policies and profiles added to the built-in
	// ones.
	Formats format.Config

	// AllowTargets are exceptions from the rule that only public addresses are
	// reached: CIDRs, addresses, hosts or host:port.
	AllowTargets []string
	// EgressProxy is the URL of a proxy (http or https, maybe with user and password)
	// through which receivers are reached; "" = none. It is asked for tunnels (CONNECT,
	// RFC 9110 section 9.3.6) to addresses that were resolved and checked here. The
	// environment's proxies are never used.
	EgressProxy Secret
	// OwnURL is where this server is reached, http or https, maybe with a path:
	// the URLs of inboxes begin with it. "" means that there are no inboxes.
	OwnURL string
	// InboxTTL is how long an inbox lives after it was last used; 0 = 7 days,
	// negative = inboxes are switched off.
	InboxTTL time.Duration
	// Resolver, TLS and Dial are for tests and special networks.
	Resolver Resolver
	TLS      *tls.Config
	Dial     func(ctx context.Context, network, address string) (net.Conn, error)
	// Random places each retry within its policy's jitter, from 0 to just below
	// 1; nil = at random. It is for simulations that have to repeat.
	Random func() float64

	// NetHTTP sends with net/http's client instead of the leaner code of
	// Waybell's own; the same checks and limits hold. It costs more CPU, and
	// net/http tells the default logger of package log what a receiver sends
	// unasked.
	NetHTTP bool

	// CreateAgents makes an agent on its first event instead of answering
	// agent_not_found.
	CreateAgents bool
	// Retention is how long events and their log are kept; 0 = 30 days,
	// negative = for ever.
	Retention time.Duration
	// SuspendAfter and SuspendFailures: an endpoint without a success for this
	// long and with at least so many failures is suspended. Defaults 5 days and
	// 20; a negative SuspendAfter suspends nobody.
	SuspendAfter    time.Duration
	SuspendFailures int

	// PublishWait is how long the answer to a publisher is held back at most: it rises
	// to this as the places in memory of an endpoint that is sent to fast fill, from half
	// of them on. 0 = 20 ms, negative = never; MaxPublishWait at most.
	PublishWait time.Duration

	Limits Limits
	// OnAttempt, when set, is called after each attempt, on the goroutine that
	// made it: it must be quick. It is what metrics and the demo listen to.
	OnAttempt func(AttemptReport)
}

// MaxPublishWait bounds Config.PublishWait.
const MaxPublishWait = time.Second

// AttemptReport is what Config.OnAttempt gets to know of an attempt.
type AttemptReport struct {
	Ref      DeliveryRef
	AgentID  string
	Endpoint *Endpoint
	EventID  string
	Type     string
	Number   int
	Reason   Reason
	State    DeliveryState // what the attempt made of the delivery
	Status   int
	Duration time.Duration
	// SincePublish is the time from accepting the event to the start of this
	// attempt.
	SincePublish time.Duration
	NextAt       time.Time // for retrying ones
	Test         bool
}

// Limits bound memory and work. Each has a setting of the command and a test
// at the bound.
type Limits struct {
	EventBytes        int // body of one event, default 1 MiB
	BatchBytes        int // body of a batch, default 10 MiB
	BatchEvents       int // events of a batch, default 1,000
	EndpointsPerAgent int // default 100
	// SessionsPerAgent is how many living sessions the portal of one agent may
	// have, and how many the console, default 1,000.
	SessionsPerAgent int

	// PublishBytes bounds the bodies of events that wait to be made durable;
	// above it publishing answers busy. Default 64 MiB.
	PublishBytes int64
	// InFlight is how many attempts this node makes at once, default 512.
	InFlight int
	// Concurrency is how many attempts an endpoint gets at once from this node
	// unless it has its own setting, which is divided among nodes; default 16. With the
	// default, one that answers soon gets more: see docs/delivery.md.
	Concurrency int
	// Queued is how many deliveries wait in memory in all, default 65,536. Near
	// it every endpoint keeps at least four; more wait in the store.
	Queued int
	// QueueLength is how many deliveries of one endpoint wait in memory, default
	// 16,384; more wait in the store.
	QueueLength int
	// QueueBytes bounds the bodies kept in memory with queued deliveries,
	// default 64 MiB; above it bodies are read again when they are sent.
	QueueBytes int64
	// Streams is how many live streams may be open at once, default 1,000; one
	// agent's are a quarter of them at most.
	Streams int
	// Outcomes is how many outcomes may wait to be made durable before no new
	// attempt starts, default 8,192.
	Outcomes int

	// InboxesPerAgent is how many inboxes an agent has at once, default 10.
	InboxesPerAgent int
	// InboxRequests is how many requests an inbox keeps, the newest; default 100.
	InboxRequests int
	// InboxBodyBytes is how much an inbox keeps of a body, default 64 KiB; others
	// than this server may send it at most twice as much.
	InboxBodyBytes int
}

func (l Limits) withDefaults() Limits {
	set := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	set(&l.EventBytes, 1<<20)
	set(&l.BatchBytes, 10<<20)
	set(&l.BatchEvents, 1000)
	set(&l.EndpointsPerAgent, 100)
	set(&l.SessionsPerAgent, 1000)
	set(&l.InFlight, 512)
	set(&l.Concurrency, defaultConcurrency)
	set(&l.Queued, 65536)
	set(&l.QueueLength, 16384)
	set(&l.Streams, 1000)
	set(&l.Outcomes, 8192)
	set(&l.InboxesPerAgent, 10)
	set(&l.InboxRequests, 100)
	set(&l.InboxBodyBytes, 64<<10)
	if l.PublishBytes == 0 {
		l.PublishBytes = 64 << 20
	}
	if l.QueueBytes == 0 {
		l.QueueBytes = 64 << 20
	}
	return l
}

// Validate names every limit that makes no sense.
func (l Limits) Validate() error {
	var errs []error
	check := func(name string, v, least int64) {
		if v < least {
			errs = append(errs, fmt.Errorf("limit %s is %d; it must be at least %d", name, v, least))
		}
	}
	check("EventBytes", int64(l.EventBytes), 1024)
	check("BatchBytes", int64(l.BatchBytes), int64(l.EventBytes))
	check("BatchEvents", int64(l.BatchEvents), 1)
	check("EndpointsPerAgent", int64(l.EndpointsPerAgent), 1)
	check("SessionsPerAgent", int64(l.SessionsPerAgent), 1)
	check("PublishBytes", l.PublishBytes, int64(l.EventBytes))
	check("InFlight", int64(l.InFlight), 1)
	check("Concurrency", int64(l.Concurrency), 1)
	check("Queued", int64(l.Queued), 1)
	check("QueueLength", int64(l.QueueLength), 1)
	check("QueueBytes", l.QueueBytes, 1)
	check("Streams", int64(l.Streams), 1)
	check("Outcomes", int64(l.Outcomes), 1)
	check("InboxesPerAgent", int64(l.InboxesPerAgent), 1)
	check("InboxRequests", int64(l.InboxRequests), 1)
	check("InboxBodyBytes", int64(l.InboxBodyBytes), 1)
	return errors.Join(errs...)
}

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Version == "" {
		c.Version = "dev"
	}
	if c.Random == nil {
		c.Random = rand.Float64
	}
	if c.Retention == 0 {
		c.Retention = 30 * 24 * time.Hour
	}
	if c.InboxTTL == 0 {
		c.InboxTTL = 7 * 24 * time.Hour
	}
	if c.SuspendAfter == 0 {
		c.SuspendAfter = 5 * 24 * time.Hour
	}
	if c.SuspendFailures == 0 {
		c.SuspendFailures = 20
	}
	if c.PublishWait == 0 {
		c.PublishWait = 20 * time.Millisecond
	}
	c.Limits = c.Limits.withDefaults()
	return c
}
