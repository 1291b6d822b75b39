package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

func sendFlags() []bodyFlag {
	return []bodyFlag{
		{"event", "event", bodyText, "event type, such as lead.submit"},
		{"data", "data", bodyJSON, "the event's data: JSON text, @file or -"},
		{"messages", "messages", bodyJSON, "the transcript, a JSON array: text, @file or -"},
		{"id", "id", bodyText, "id of your own: publishing the same again is harmless"},
		{"timestamp", "timestamp", bodyText, "when it happened, such as 2026-04-26T08:30:14Z; default now"},
		{"conversation", "conversation_id", bodyText, "id of the conversation"},
	}
}

func newSendCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "send",
		Short: "Publish one event, or many from NDJSON",
		Long: `Publish one event, or with --ndjson many: one JSON object per line, each with its
agent_id (or all for --agent), event and data. Lines are sent in batches; what
the server refuses is told with the line's number and the rest goes on.`,
		Example: `  waybell send --agent agent_42 --event lead.submit --data '{"email":"sarah@acme.com"}'
  waybell send --ndjson - < events.ndjson`,
		Args: exactly(0),
	}
	cmd.Flags().StringP("agent", "a", "", "id of the agent")
	addBodyFlags(cmd, sendFlags())
	cmd.Flags().String("idempotency-key", "", "repeating the command with the same key is harmless for 24 h")
	cmd.Flags().String("ndjson", "", "file with one event per line, - for standard input")
	return clientCommand(cmd, func(cmd *cobra.Command, c *client, out *output, _ []string) error {
		body, err := readBodyFlags(cmd, sendFlags())
		if err != nil {
			return err
		}
		header := http.Header{}
		if key, _ := cmd.Flags().GetString("idempotency-key"); key != "" {
			header.Set("Idempotency-Key", key)
		}
		if file, _ := cmd.Flags().GetString("ndjson"); file != "" {
			if len(body) > 0 || len(header) > 0 {
				return usageErrorf("with --ndjson each line says what it is: only --agent may be given besides")
			}
			return sendLines(cmd, c, out, file)
		}
		if body["event"] == nil {
			return usageErrorf("--event is required")
		}
		path, err := agentPath(cmd, "events")
		if err != nil {
			return err
		}
		doc, err := jsonCall(cmd, c, call{method: http.MethodPost, path: path, header: header}, body)
		if err != nil {
			return err
		}
		return out.object(cmd, doc)
	})
}

// A batch stays within the server's default limits, with room to spare.
const (
	batchLines = 500
	batchBytes = 4 << 20
	maxLine    = 2 << 20
)

// lineSender publishes the lines of a file in batches.
type lineSender struct {
	cmd     *cobra.Command
	client  *client
	out     *output
	agent   string
	batch   bytes.Buffer
	numbers []int // line numbers of what is in the batch
	sent    int
	failed  int
}

func sendLines(cmd *cobra.Command, c *client, out *output, file string) error {
	var in io.Reader = cmd.InOrStdin()
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return usageErrorf("%w", err)
		}
		defer f.Close()
		in = f
	}
	s := &lineSender{cmd: cmd, client: c, out: out}
	s.agent, _ = cmd.Flags().GetString("agent")
	if err := s.lines(in); err != nil {
		return err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "Published %d event(s), %d refused.\n", s.sent, s.failed)
	if s.failed > 0 {
		return exitQuietly(exitRefused)
	}
	return nil
}

// lines sends what is read to its end. A line that is too long is refused as others
// are, and the rest goes on.
func (s *lineSender) lines(in io.Reader) error {
	r := bufio.NewReaderSize(in, maxLine)
	for number := 1; ; number++ {
		line, err := r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			s.refuse(number, fmt.Sprintf("is longer than %d bytes", maxLine))
			for errors.Is(err, bufio.ErrBufferFull) {
				_, err = r.ReadSlice('\n')
			}
		} else if err := s.line(number, bytes.TrimSpace(line)); err != nil {
			return err
		}
		switch {
		case errors.Is(err, io.EOF):
			return s.flush()
		case err != nil:
			return errors.Join(err, s.flush())
		}
	}
}

// line takes a line into the batch, and sends that when it is full.
func (s *lineSender) line(number int, line []byte) error {
	if len(line) == 0 {
		return nil
	}
	if s.agent != "" {
		with, err := withAgent(line, s.agent)
		if err != nil {
			s.refuse(number, err.Error())
			return nil
		}
		line = with
	}
	if len(s.numbers) == batchLines || s.batch.Len() > 0 && s.batch.Len()+len(line) > batchBytes {
		if err := s.flush(); err != nil {
			return err
		}
	}
	s.batch.Write(line)
	s.batch.WriteByte('\n')
	s.numbers = append(s.numbers, number)
	return nil
}

// withAgent puts the agent in front of an event that names none. The rest stays
// byte for byte: publishing keeps the order of keys.
func withAgent(line []byte, agent string) ([]byte, error) {
	list, err := members(line)
	if err != nil {
		return nil, errors.New("is no JSON object")
	}
	for _, m := range list {
		if m.name == "agent_id" {
			return line, nil
		}
	}
	id, err := json.Marshal(agent)
	if err != nil {
		return nil, err
	}
	head := append([]byte(`{"agent_id":`), id...)
	if len(list) > 0 {
		head = append(head, ',')
	}
	return append(head, line[1:]...), nil
}

func (s *lineSender) refuse(number int, why string) {
	s.failed++
	fmt.Fprintf(s.cmd.ErrOrStderr(), "line %d: %s\n", number, printable(why))
}

// flush sends the batch and tells what became of each line.
func (s *lineSender) flush() error {
	if len(s.numbers) == 0 {
		return nil
	}
	doc, err := s.client.do(s.cmd.Context(), call{
		method: http.MethodPost, path: []string{"v1", "events"},
		body: bytes.Clone(s.batch.Bytes()), content: "application/x-ndjson",
	})
	if err != nil {
		return fmt.Errorf("line %d and following were not published: %w", s.numbers[0], err)
	}
	var answer struct {
		Data []json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(doc, &answer); err != nil || len(answer.Data) != len(s.numbers) {
		return errors.New("the server's answer does not fit the batch")
	}
	for i, raw := range answer.Data {
		if err := s.item(s.numbers[i], raw); err != nil {
			return err
		}
	}
	s.batch.Reset()
	s.numbers = s.numbers[:0]
	return nil
}

// item tells what became of a line.
func (s *lineSender) item(number int, raw json.RawMessage) error {
	var item struct {
		Status     int      `json:"status"`
		ID         string   `json:"id"`
		Event      string   `json:"event"`
		Deliveries int      `json:"deliveries"`
		Duplicate  bool     `json:"duplicate"`
		Error      *problem `json:"error"`
	}
	if err := json.Unmarshal(raw, &item); err != nil {
		return fmt.Errorf("the server's answer is not understood: %w", err)
	}
	if item.Error != nil {
		item.Error.Status = item.Status
		s.refuse(number, strings.ReplaceAll(item.Error.Error(), "\n", ";"))
		return nil
	}
	s.sent++
	if s.out.json() {
		_, err := fmt.Fprintf(s.cmd.OutOrStdout(), "%s\n", raw)
		return err
	}
	note := ""
	if item.Duplicate {
		note = "  duplicate"
	}
	_, err := fmt.Fprintf(s.cmd.OutOrStdout(), "%s  %s  deliveries %d%s\n", printable(item.ID), printable(item.Event), item.Deliveries, note)
	return err
}
