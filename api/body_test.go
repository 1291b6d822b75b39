package api

import (
	"bytes"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
)

// TestAnnouncedBodyTakesNoMemory: a body costs what came of it, not what its
// headers say. A client that announces a megabyte and sends nothing must not
// hold one.
func TestAnnouncedBodyTakesNoMemory(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20
	for sent, most := range map[int]int{0: 64 << 10, 1000: 64 << 10, 100 << 10: 256 << 10} {
		r := httptest.NewRequest("POST", "/", io.MultiReader(strings.NewReader(strings.Repeat("x", sent)), iotest.ErrReader(io.ErrUnexpectedEOF)))
		r.ContentLength = limit
		var buf bytes.Buffer
		if err := readBody(httptest.NewRecorder(), r, &buf, limit); err == nil {
			t.Error("half a body is a body")
		}
		if buf.Len() != sent || buf.Cap() > most {
			t.Errorf("%d bytes of %d take %d, want at most %d", buf.Len(), limit, buf.Cap(), most)
		}
	}
	// One that comes whole is read whole.
	r := httptest.NewRequest("POST", "/", strings.NewReader(strings.Repeat("x", limit)))
	var buf bytes.Buffer
	if err := readBody(httptest.NewRecorder(), r, &buf, limit); err != nil || buf.Len() != limit {
		t.Errorf("%d bytes, %v", buf.Len(), err)
	}
}
