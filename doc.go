// Package waybell delivers webhooks: it takes the events of a platform's
// agents, stores them durably, and sends each one, signed, to the URLs that the
// agents' owners subscribed, retrying for up to 24 hours and logging every
// attempt.
//
// An embedder opens a store (package sqlite, or postgres, which nodes may share),
// builds a [Service] with [New], calls [Service.Start], publishes with
// [Service.Publish], ends with [Service.Stop], and closes the store. The command in
// cmd/waybell is the same library behind HTTP.
//
// # Words
//
// An event is something that happened at an agent. An endpoint is a URL that an
// agent's owner subscribed. A delivery is one event to one endpoint; an attempt
// is one HTTP request made for a delivery.
//
// # The promise
//
// When [Service.Publish] returns without an error, the event and all its
// deliveries are on disk and synced. Each delivery is attempted at least once,
// also after a crash, always with the same webhook-id, and ends in exactly one
// of the states delivered, failed or canceled. docs/delivery.md has the whole
// state diagram.
package waybell
