// Package format says what the requests of a webhook look like: the body of an
// event, the header that carries its signature, and which retry policy goes
// with it. All of it is data. The formats of Standard Webhooks, Chatzuri and
// Chatislav are values of [Format]; an operator's own is one more, read from
// the configuration.
package format
