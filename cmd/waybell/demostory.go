package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// storyEvent is an event to publish, in the words of the HTTP API.
type storyEvent struct {
	Event    string          `json:"event"`
	ID       string          `json:"id"`
	Data     json.RawMessage `json:"data"`
	Messages []storyMessage  `json:"messages,omitempty"`

	gist  string        // what it is about, for the line on the screen
	pause time.Duration // until the next one
}

// storyMessage is a line of a transcript.
type storyMessage struct {
	Role string `json:"role"`
	Name string `json:"name"`
	Text string `json:"text"`
	At   string `json:"at"`
}

// story invents what customers of the demo's agent do: conversations of several
// people with several businesses, a few at a time. The same seed gives the same
// people, words and order.
type story struct {
	rng   *rand.Rand
	open  []*conversation
	begun int
	last  int // the persona before
}

// conversation is one customer's, with the steps that are still to come.
type conversation struct {
	id, contact string
	persona     persona
	business    business
	topic       topic
	channel     string
	started     time.Time
	messages    []storyMessage
	steps       []step
	number      int // of messages, for their ids
	resolved    bool
}

// step makes the next event of a conversation.
type step func(s *story, c *conversation, now time.Time) storyEvent

func newStory(seed uint64) *story {
	return &story{rng: rand.New(rand.NewPCG(seed, 0)), last: -1}
}

// next is the next event. The first conversation has all event types, and nobody
// interrupts it.
func (s *story) next(now time.Time) storyEvent {
	if len(s.open) == 0 || s.begun > 1 && len(s.open) < 3 && s.rng.IntN(4) == 0 {
		s.open = append(s.open, s.begin())
	}
	i := s.rng.IntN(len(s.open))
	c := s.open[i]
	event := c.steps[0](s, c, now)
	event.pause = 400*time.Millisecond + time.Duration(s.rng.IntN(1200))*time.Millisecond
	if c.steps = c.steps[1:]; len(c.steps) == 0 {
		s.open = append(s.open[:i], s.open[i+1:]...)
	}
	return event
}

// begin invents a conversation.
func (s *story) begin() *conversation {
	people, places := personas(), businesses()
	p := s.rng.IntN(len(people))
	if p == s.last {
		p = (p + 1) % len(people)
	}
	s.last = p
	b := s.rng.IntN(len(places))
	t := s.rng.IntN(len(places[b].topics))
	c := &conversation{
		id: s.token("conv_", 6), persona: people[p], business: places[b], topic: places[b].topics[t],
		contact: fmt.Sprintf("cus_%05d", 10000+s.rng.IntN(90000)), resolved: true,
	}
	c.channel = s.pick("website", "website", "whatsapp", "instagram", "messenger")
	c.steps = []step{start, ask(s.greeting(c) + " " + c.topic.question), reply(c.topic.answer)}
	if s.rng.IntN(2) == 0 {
		c.steps = append(c.steps, ask(c.topic.followUp), reply(c.topic.followAnswer))
	}
	s.begun++
	everything := s.begun == 1
	if everything || s.rng.IntN(2) == 0 {
		c.steps = append(c.steps, lead)
	}
	if everything || s.rng.IntN(4) == 0 {
		c.steps = append(c.steps, ask(c.topic.complaint), escalate, humanReply)
		c.resolved = everything || s.rng.IntN(3) > 0
	}
	if everything || s.rng.IntN(2) == 0 {
		c.steps = append(c.steps, rate)
	}
	c.steps = append(c.steps, ask(c.persona.thanks), end, summarise)
	return c
}

func (s *story) pick(words ...string) string { return words[s.rng.IntN(len(words))] }

// token is a prefix and random letters and digits.
func (s *story) token(prefix string, n int) string {
	const digits = "abcdefghjkmnpqrstvwxyz0123456789"
	b := []byte(prefix)
	for range n {
		b = append(b, digits[s.rng.IntN(len(digits))])
	}
	return string(b)
}

func (s *story) greeting(c *conversation) string {
	return s.pick(c.persona.hello, "Hi there!", "Hello,", "Quick question:", "Good morning!")
}

// event makes an event with the members that all have at the end.
func (c *conversation) event(kind, gist string, members ...any) storyEvent {
	members = append(members, "conversation_id", c.id, "contact_id", c.contact, "channel", c.channel, "site", c.business.site)
	return storyEvent{Event: kind, Data: ordered(members...), gist: gist}
}

// said adds a line to the transcript and returns the message's id.
func (c *conversation) said(role, name, text string, now time.Time) string {
	c.messages = append(c.messages, storyMessage{role, name, text, now.UTC().Format(time.RFC3339)})
	c.number++
	return fmt.Sprintf("msg_%s_%02d", strings.TrimPrefix(c.id, "conv_"), c.number)
}

func start(s *story, c *conversation, now time.Time) storyEvent {
	c.started = now
	return c.event("conversation.started", c.persona.name+" opens the chat of "+c.business.name,
		"language", c.persona.language, "page_url", "https://"+c.business.site+c.topic.page,
		"returning", s.rng.IntN(3) == 0, "started_at", now.UTC().Format(time.RFC3339))
}

func ask(text string) step {
	return func(_ *story, c *conversation, now time.Time) storyEvent {
		id := c.said("customer", c.persona.name, text, now)
		return c.event("message.received", c.persona.name+": "+text,
			"message_id", id, "text", text, "language", c.persona.language)
	}
}

func reply(text string) step {
	return func(s *story, c *conversation, now time.Time) storyEvent {
		id := c.said("agent", "Ava", text, now)
		source := ordered("title", c.topic.source, "url", "https://"+c.business.site+c.topic.page)
		return c.event("message.sent", "Ava: "+text, "message_id", id, "sender", "agent", "sender_name", "Ava",
			"text", text, "language", "en", "sources", []json.RawMessage{source},
			"confidence", float64(80+s.rng.IntN(19))/100)
	}
}

func lead(s *story, c *conversation, now time.Time) storyEvent {
	email := c.persona.mailbox + "@" + s.pick("example.com", "example.org", "mail.example")
	phone := fmt.Sprintf("+1 555 010 %04d", s.rng.IntN(10000))
	e := c.event("lead.submit", c.persona.name+" <"+email+"> wants: "+c.topic.wish,
		"name", c.persona.name, "email", email, "phone", phone, "message", c.topic.wish,
		"ip_address", fmt.Sprintf("203.0.113.%d", 1+s.rng.IntN(254)))
	e.Messages = c.transcript()
	return e
}

func escalate(s *story, c *conversation, now time.Time) storyEvent {
	e := c.event("escalation.triggered", "a human is needed: "+c.topic.complaint,
		"reason", c.topic.reason, "priority", s.pick("normal", "high", "urgent"),
		"note", c.persona.name+": "+c.topic.complaint, "team", c.business.team, "triggered_by", s.pick("customer", "agent"))
	e.Messages = c.transcript()
	return e
}

func humanReply(_ *story, c *conversation, now time.Time) storyEvent {
	text := c.topic.human
	id := c.said("human", c.business.human, text, now)
	return c.event("message.sent", c.business.human+" (human): "+text, "message_id", id,
		"sender", "human", "sender_name", c.business.human, "text", text, "language", "en")
}

func rate(s *story, c *conversation, now time.Time) storyEvent {
	rating, comment := "positive", s.pick("Fast and clear, thanks!", "Exactly what I needed.", "Better than the phone queue :)", "Friendly & to the point.")
	if s.rng.IntN(4) == 0 {
		rating, comment = "negative", s.pick("I had to ask twice.", "Too long. Just say <yes> or <no>.", "That did not answer my question.")
	}
	return c.event("feedback.submitted", rating+": "+comment, "rating", rating, "comment", comment,
		"question", c.topic.question, "answer", c.topic.answer)
}

func end(_ *story, c *conversation, now time.Time) storyEvent {
	reason := "resolved"
	if !c.resolved {
		reason = "handed_over"
	}
	e := c.event("conversation.ended", fmt.Sprintf("%s leaves after %d messages", c.persona.name, len(c.messages)),
		"reason", reason, "resolved", c.resolved, "message_count", len(c.messages),
		"duration_seconds", now.Sub(c.started).Round(100*time.Millisecond).Seconds(), "tags", c.topic.tags,
		"started_at", c.started.UTC().Format(time.RFC3339), "ended_at", now.UTC().Format(time.RFC3339))
	e.Messages = c.transcript()
	return e
}

func summarise(s *story, c *conversation, now time.Time) storyEvent {
	text := fmt.Sprintf("%s asked %s about: %s The agent answered: %s", c.persona.name, c.business.name, c.topic.question, c.topic.answer)
	sentiment := s.pick("pleased", "neutral", "relieved")
	if !c.resolved {
		text += " " + c.business.human + " of the team took over."
		sentiment = "annoyed"
	}
	summary := ordered("title", c.topic.title, "text", text, "sentiment", sentiment, "language", "en",
		"topics", c.topic.tags, "action_items", []string{c.topic.action})
	e := c.event("conversation.summary", c.topic.title+"; to do: "+c.topic.action, "summary", summary)
	e.Messages = c.transcript()
	return e
}

// transcript is a copy: the conversation goes on.
func (c *conversation) transcript() []storyMessage {
	return append([]storyMessage(nil), c.messages...)
}

// ordered is a JSON object with its members in the order given: name, value,
// name, value.
func ordered(pairs ...any) json.RawMessage {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	for i, v := range pairs {
		switch {
		case i == 0:
			b.WriteByte('{')
		case i%2 == 0:
			b.WriteByte(',')
		default:
			b.WriteByte(':')
		}
		if err := e.Encode(v); err != nil {
			panic(err) // texts, numbers and lists of them always encode
		}
		b.Truncate(b.Len() - 1) // the line break that Encode adds
	}
	b.WriteByte('}')
	return b.Bytes()
}
