package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// output is how a command shows its data: as a table for people, or as JSON.
type output struct{ form string }

func (o *output) flag(cmd *cobra.Command) {
	o.form = "table"
	cmd.Flags().VarP(choiceValue{&o.form, []string{"table", "json"}}, "output", "o", "form of the output")
}

func (o *output) json() bool { return o.form == "json" }

// value writes v as JSON.
func (o *output) value(cmd *cobra.Command, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	return o.raw(cmd, b.Bytes())
}

// raw writes a JSON document of the server, indented, with nothing changed.
func (o *output) raw(cmd *cobra.Command, doc []byte) error {
	var b bytes.Buffer
	if err := json.Indent(&b, bytes.TrimSpace(doc), "", "  "); err != nil {
		return fmt.Errorf("the server's answer is no JSON: %w", err)
	}
	b.WriteByte('\n')
	_, err := cmd.OutOrStdout().Write(b.Bytes())
	return err
}

// member is one member of a JSON object, in the order of the document.
type member struct {
	name  string
	value json.RawMessage
}

// members reads a JSON object without losing its order.
func members(doc []byte) ([]member, error) {
	d := json.NewDecoder(bytes.NewReader(doc))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("the server's answer is no JSON object")
	}
	var list []member
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		m := member{name: fmt.Sprint(name)}
		if err := d.Decode(&m.value); err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	return list, nil
}

// object shows a JSON object: a line for each member, or the JSON itself.
// Members in except are left out of the lines.
func (o *output) object(cmd *cobra.Command, doc []byte, except ...string) error {
	if o.json() {
		return o.raw(cmd, doc)
	}
	list, err := members(doc)
	if err != nil {
		return err
	}
	t := newTable()
	for _, m := range list {
		if !containsWord(except, m.name) {
			t.add(m.name, jsonText(m.value))
		}
	}
	return t.write(cmd.OutOrStdout())
}

// jsonText shows a JSON value in a line: strings without quotes, lists of
// strings with commas, null as a dash.
func jsonText(raw json.RawMessage) string {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return string(raw)
	}
	switch v := v.(type) {
	case nil:
		return "-"
	case string:
		return v
	case []any:
		var texts []string
		for _, item := range v {
			text, ok := item.(string)
			if !ok {
				return string(raw)
			}
			texts = append(texts, text)
		}
		if texts == nil {
			return "-"
		}
		return strings.Join(texts, ", ")
	}
	return string(raw)
}

// list shows the data of a list answer as a table, with the named members as
// columns, and on standard error how to get the next page.
func (o *output) list(cmd *cobra.Command, doc []byte, columns ...string) error {
	if o.json() {
		return o.raw(cmd, doc)
	}
	var page struct {
		Data       []map[string]json.RawMessage `json:"data"`
		NextCursor *string                      `json:"next_cursor"`
	}
	if err := json.Unmarshal(doc, &page); err != nil {
		return fmt.Errorf("the server's answer is not understood: %w", err)
	}
	head := make([]string, len(columns))
	for i, c := range columns {
		head[i] = strings.ToUpper(strings.ReplaceAll(c, "_", " "))
	}
	t := newTable(head...)
	for _, row := range page.Data {
		cells := make([]string, len(columns))
		for i, c := range columns {
			cells[i] = "-"
			if raw, ok := row[c]; ok {
				cells[i] = jsonText(raw)
			}
		}
		t.add(cells...)
	}
	if err := t.write(cmd.OutOrStdout()); err != nil {
		return err
	}
	if page.NextCursor != nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "More follows: --cursor %s\n", *page.NextCursor)
	}
	return nil
}

// table lines up columns by the number of characters.
type table struct {
	rows [][]string
}

// newTable makes a table with a head; none for lines of name and value.
func newTable(head ...string) *table {
	t := &table{}
	if len(head) > 0 {
		t.rows = append(t.rows, head)
	}
	return t
}

// add appends a row. Whatever a receiver or a publisher put into a cell, it
// stays one line and cannot steer the terminal.
func (t *table) add(cells ...string) {
	row := make([]string, len(cells))
	for i, c := range cells {
		row[i] = printable(c)
		if row[i] == "" {
			row[i] = "-"
		}
	}
	t.rows = append(t.rows, row)
}

func (t *table) write(w io.Writer) error {
	var widths []int
	for _, row := range t.rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	var b strings.Builder
	for _, row := range t.rows {
		for i, c := range row {
			b.WriteString(c)
			if i < len(row)-1 && row[i+1] != "" {
				b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c)+2))
			}
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// printable replaces what would steer a terminal: control characters, and the
// marks that change the direction of text.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t', r == '\r':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == utf8.RuneError:
			return '\ufffd'
		}
		return r
	}, s)
}
