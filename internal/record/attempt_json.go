package record

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// storedJSON is an encoded detail of version 1.
type storedJSON struct {
	Version         int               `json:"v"`
	Method          string            `json:"method"`
	URL             string            `json:"url"`
	Headers         map[string]string `json:"headers"`
	Format          string            `json:"format"`
	FormatVersion   string            `json:"format_version"`
	IncludeMessages bool              `json:"include_messages"`
	SHA256          string            `json:"sha256"`
	Error           string            `json:"error"`
	ResponseHeaders map[string]string `json:"response_headers"`
	Body            string            `json:"body"`
	BodyBase64      []byte            `json:"body_base64"`
	Truncated       bool              `json:"truncated"`
	Timing          [5]int64          `json:"timing_us"`
}

// decodeJSON reads a detail of version 1. Members that it does not know are
// ignored.
func decodeJSON(b []byte) (Detail, error) {
	var in storedJSON
	if err := json.Unmarshal(b, &in); err != nil {
		return Detail{}, fmt.Errorf("attempt detail: %w", err)
	}
	if in.Version != 1 {
		return Detail{}, fmt.Errorf("attempt detail has version %d, not 1", in.Version)
	}
	d := Detail{
		Method: in.Method, URL: in.URL, RequestHeaders: in.Headers,
		Format: in.Format, FormatVersion: in.FormatVersion, IncludeMessages: in.IncludeMessages,
		Error: in.Error, ResponseHeaders: in.ResponseHeaders, Truncated: in.Truncated,
	}
	if in.SHA256 != "" {
		sum, err := hex.DecodeString(in.SHA256)
		if err != nil || len(sum) != sha256.Size {
			return Detail{}, errors.New("attempt detail: the body's SHA-256 is malformed")
		}
		d.BodySum = string(sum)
	}
	if d.ResponseBody = in.BodyBase64; in.Body != "" {
		d.ResponseBody = []byte(in.Body)
	}
	for i, to := range [...]*time.Duration{&d.Timing.DNS, &d.Timing.Connect, &d.Timing.TLS, &d.Timing.Wait, &d.Timing.Read} {
		*to = time.Duration(in.Timing[i]) * time.Microsecond
	}
	return d, nil
}
