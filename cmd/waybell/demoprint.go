package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/waybell/waybell"
)

// demoPrinter writes a line for each attempt, from a goroutine of its own: the
// attempts must not wait for a terminal, unless it is far behind.
type demoPrinter struct {
	out   io.Writer
	live  bool // a terminal: keep a line of totals at the end
	color bool
	width int

	lines chan demoLine
	done  chan struct{}

	mu    sync.Mutex
	gists map[string]string
	order []string // ids in gists, oldest first

	// what follows belongs to the goroutine
	start                                        time.Time
	attempts, delivered, failed, retries, wrongs int
}

// demoLine is an attempt to be shown.
type demoLine struct {
	at    time.Time
	event string
	waybell.AttemptReport
	verification
}

const (
	// demoGists bounds the remembered texts.
	demoGists = 4096
	// demoWidth is the width of lines where there is no terminal.
	demoWidth = 120
)

// newDemoPrinter starts the printer. Colour is for terminals only, and not
// where NO_COLOR (https://no-color.org) or TERM=dumb is set.
func newDemoPrinter(out io.Writer, getenv func(string) string) *demoPrinter {
	p := &demoPrinter{
		out: out, width: demoWidth, lines: make(chan demoLine, 4096), done: make(chan struct{}),
		gists: map[string]string{}, start: time.Now(),
	}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		dumb := getenv("TERM") == "dumb"
		p.live, p.color = !dumb, !dumb && getenv("NO_COLOR") == ""
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			p.width = width
		}
	}
	go p.run()
	return p
}

// remember keeps what an event is about, to be shown with its deliveries.
func (p *demoPrinter) remember(id, gist string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gists[id] = gist
	p.order = append(p.order, id)
	if len(p.order) > demoGists {
		delete(p.gists, p.order[0])
		p.order = p.order[1:]
	}
}

func (p *demoPrinter) gist(id string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if gist, ok := p.gists[id]; ok {
		return gist
	}
	return "published by you: " + id
}

// attempt shows an attempt. It must not be called after close.
func (p *demoPrinter) attempt(a waybell.AttemptReport, v verification) {
	p.lines <- demoLine{time.Now(), p.gist(a.EventID), a, v}
}

// close waits until everything is shown.
func (p *demoPrinter) close() {
	close(p.lines)
	<-p.done
}

func (p *demoPrinter) run() {
	defer close(p.done)
	for line := range p.lines {
		p.count(line)
		text := p.format(line) + "\n"
		if p.live {
			// The totals are always the last line: go back and write over them.
			text = "\r\x1b[K" + text + p.cut(p.totals(), 0)
		}
		io.WriteString(p.out, text) //nolint:errcheck // a closed pipe ends the process
	}
	if p.live && p.attempts > 0 {
		io.WriteString(p.out, "\n") //nolint:errcheck // see above
	} else if p.attempts > 0 {
		io.WriteString(p.out, p.totals()+"\n") //nolint:errcheck // see above
	}
}

func (p *demoPrinter) count(l demoLine) {
	p.attempts++
	switch l.State {
	case waybell.DeliveryDelivered:
		p.delivered++
	case waybell.DeliveryFailed:
		p.failed++
	case waybell.DeliveryRetrying:
		p.retries++
	}
	if l.verification == notVerified {
		p.wrongs++
	}
}

func (p *demoPrinter) totals() string {
	return fmt.Sprintf("%d attempts: %d delivered, %d to retry, %d failed, %d wrong signatures, in %s",
		p.attempts, p.delivered, p.retries, p.failed, p.wrongs, shortDuration(time.Since(p.start).Round(time.Second)))
}

// format writes a line: time, event, profile, attempt, status, verification,
// milliseconds, and what it is about or when it is tried again.
func (p *demoPrinter) format(l demoLine) string {
	status := l.Reason.String()
	if l.Status != 0 {
		status = fmt.Sprint(l.Status)
	}
	mark := map[verification]string{verified: "✓ verified", notVerified: "✗ WRONG", notReceived: "-"}[l.verification]
	note, paint := l.event, green
	switch l.State {
	case waybell.DeliveryRetrying:
		paint = yellow
		note = fmt.Sprintf("retry in %.1f s", l.NextAt.Sub(l.at).Seconds())
	case waybell.DeliveryFailed, waybell.DeliveryCanceled:
		paint = red
	}
	if l.verification == notVerified {
		paint = red
	}
	head := fmt.Sprintf("%s  %-20s  %-9s  #%d  ", l.at.Format("15:04:05"), l.Type, l.Endpoint.Profile, l.Number)
	middle := fmt.Sprintf("%-4s  %-10s", status, mark)
	tail := fmt.Sprintf("  %4d ms  ", l.Duration.Milliseconds())
	room := p.width - utf8.RuneCountInString(head+middle+tail) - 1
	return head + p.paint(paint, middle) + tail + p.paint(dim, cutText(printable(note), room))
}

// The colours, as ECMA-48 numbers.
const (
	dim    = 2
	red    = 31
	green  = 32
	yellow = 33
)

func (p *demoPrinter) paint(color int, text string) string {
	if !p.color || text == "" {
		return text
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", color, text)
}

func (p *demoPrinter) cut(text string, used int) string { return cutText(text, p.width-used-1) }

// cutText shortens a text to so many characters.
func cutText(text string, room int) string {
	if utf8.RuneCountInString(text) <= room {
		return text
	}
	if room < 2 {
		return ""
	}
	return strings.TrimRight(string([]rune(text)[:room-1]), " ") + "…"
}
