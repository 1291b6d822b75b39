package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// bodyKind says how the text of a flag becomes a member of a request.
type bodyKind int

const (
	bodyText bodyKind = iota
	bodyList          // texts separated by commas
	bodyJSON          // JSON: as it is, @file or - for standard input
	bodyBool
	bodyNumber
	bodySeconds // a time span, in whole seconds
)

// bodyFlag is a flag that becomes a member of the request's JSON object. Only
// flags that were given do, so the same ones serve to create and to patch.
type bodyFlag struct {
	name   string
	member string
	kind   bodyKind
	help   string
}

func addBodyFlags(cmd *cobra.Command, flags []bodyFlag) {
	for _, f := range flags {
		switch f.kind {
		case bodyBool:
			cmd.Flags().Bool(f.name, false, f.help)
		case bodyList:
			cmd.Flags().StringSlice(f.name, nil, f.help)
		default:
			cmd.Flags().String(f.name, "", f.help)
		}
	}
	cmd.Flags().String("body", "", "the request's JSON object: text, @file or - (flags win over its members)")
}

// readBodyFlags makes the request's members.
func readBodyFlags(cmd *cobra.Command, flags []bodyFlag) (map[string]any, error) {
	body := map[string]any{}
	if cmd.Flags().Changed("body") {
		text, _ := cmd.Flags().GetString("body")
		raw, err := readArgument(cmd, text)
		if err != nil {
			return nil, err
		}
		var given map[string]json.RawMessage
		if err := json.Unmarshal(raw, &given); err != nil {
			return nil, usageErrorf("--body is no JSON object: %w", err)
		}
		for name, value := range given {
			body[name] = value
		}
	}
	for _, f := range flags {
		if !cmd.Flags().Changed(f.name) {
			continue
		}
		v, err := f.read(cmd)
		if err != nil {
			return nil, err
		}
		body[f.member] = v
	}
	return body, nil
}

func (f bodyFlag) read(cmd *cobra.Command) (any, error) {
	switch f.kind {
	case bodyBool:
		return cmd.Flags().GetBool(f.name)
	case bodyList:
		list, err := cmd.Flags().GetStringSlice(f.name)
		if list == nil {
			list = []string{} // an empty list is a value, null would be the default
		}
		return list, err
	}
	text, err := cmd.Flags().GetString(f.name)
	if err != nil {
		return nil, err
	}
	switch f.kind {
	case bodyJSON:
		raw, err := readArgument(cmd, text)
		if err == nil && !json.Valid(raw) {
			err = usageErrorf("--%s is no JSON", f.name)
		}
		return json.RawMessage(raw), err
	case bodyNumber:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, usageErrorf("--%s: %q is not a number", f.name, text)
		}
		return n, nil
	case bodySeconds:
		d, err := parseDuration(text)
		if err != nil {
			return nil, usageErrorf("--%s: %w", f.name, err)
		}
		return int64(d / time.Second), nil
	}
	return text, nil
}

// maxInput bounds what is read from a file or standard input as one value.
const maxInput = 64 << 20

// readArgument is the value of a flag that may name a file: @file, or - for
// standard input.
func readArgument(cmd *cobra.Command, text string) ([]byte, error) {
	switch {
	case text == "-" || text == "@-":
		return readAtMost(cmd.InOrStdin(), "standard input")
	case strings.HasPrefix(text, "@"):
		return readInputFile(cmd, text[1:])
	}
	return []byte(text), nil
}

// readInputFile reads a file, or standard input for -.
func readInputFile(cmd *cobra.Command, path string) ([]byte, error) {
	if path == "-" {
		return readAtMost(cmd.InOrStdin(), "standard input")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, usageErrorf("%w", err)
	}
	defer f.Close()
	return readAtMost(f, path)
}

func readAtMost(r io.Reader, name string) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxInput+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if len(b) > maxInput {
		return nil, usageErrorf("%s is longer than %d bytes", name, maxInput)
	}
	return b, nil
}
