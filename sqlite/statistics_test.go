package sqlite

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/waybell/waybell"
	"github.com/waybell/waybell/internal/statistics"
)

// statisticsRow is a minute as a busy endpoint has it.
func statisticsRow(endpoint waybell.EndpointNumber, at time.Time) waybell.StatisticsRow {
	row := waybell.StatisticsRow{StatisticsKey: waybell.StatisticsKey{Agent: 1, Endpoint: endpoint, Step: waybell.StatisticsMinute, At: at}}
	for i := range 50 {
		row.Tally.Deliver(time.Duration(5+i) * time.Millisecond)
	}
	for i := range 5 {
		row.Tally.Fail(statistics.Cause{Reason: uint8(waybell.ReasonHTTPStatus), Status: uint16(500 + i)}, time.Second)
	}
	return row
}

// A damaged row is told, not taken for nothing.
func TestDamagedStatistics(t *testing.T) {
	t.Parallel()
	s := openStore(t, Config{})
	lease, err := s.Join(t.Context(), waybell.NodeInfo{Name: "node"})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 4, 26, 8, 30, 0, 0, time.UTC)
	good, bad := statisticsRow(1, at), statisticsRow(2, at)
	if err := s.AddStatistics(t.Context(), lease, []waybell.StatisticsRow{good, bad}); err != nil {
		t.Fatal(err)
	}
	err = s.write(t.Context(), 1, 0, func(t *tx) error {
		_, err := t.exec("UPDATE statistics SET tally = ? WHERE endpoint = 2", []byte{1, 9, 9})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	read := func(e waybell.EndpointNumber) ([]waybell.StatisticsRow, error) {
		return s.Statistics(t.Context(), waybell.StatisticsQuery{Agent: 1, Endpoints: []waybell.EndpointNumber{e},
			Step: waybell.StatisticsMinute, Since: at, Until: at.Add(time.Hour)})
	}
	if _, err := read(2); err == nil || !strings.Contains(err.Error(), "endpoint 2") || errors.Is(err, waybell.ErrUnavailable) {
		t.Errorf("read: %v", err)
	}
	if err := s.AddStatistics(t.Context(), lease, []waybell.StatisticsRow{good, bad}); err == nil || !strings.Contains(err.Error(), "endpoint 2") {
		t.Errorf("add: %v", err)
	}
	list, err := read(1)
	if err != nil || len(list) != 1 || list[0].Tally.Attempts() != good.Tally.Attempts() {
		t.Errorf("the other row of the call was added, or is gone: %+v, %v", list, err)
	}
}

func BenchmarkAddStatistics(b *testing.B) {
	s := openStore(b, Config{})
	lease, err := s.Join(b.Context(), waybell.NodeInfo{Name: "node"})
	if err != nil {
		b.Fatal(err)
	}
	at := time.Date(2026, 4, 26, 8, 30, 0, 0, time.UTC)
	var rows []waybell.StatisticsRow
	for e := range waybell.EndpointNumber(256) {
		rows = append(rows, statisticsRow(e+1, at))
	}
	for b.Loop() {
		if err := s.AddStatistics(b.Context(), lease, rows); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStatisticsOfADay(b *testing.B) {
	s := openStore(b, Config{})
	lease, err := s.Join(b.Context(), waybell.NodeInfo{Name: "node"})
	if err != nil {
		b.Fatal(err)
	}
	at := time.Date(2026, 4, 26, 8, 30, 0, 0, time.UTC)
	var rows []waybell.StatisticsRow
	for m := range 1440 {
		rows = append(rows, statisticsRow(1, at.Add(time.Duration(m)*time.Minute)))
	}
	if err := s.AddStatistics(b.Context(), lease, rows); err != nil {
		b.Fatal(err)
	}
	q := waybell.StatisticsQuery{Agent: 1, Endpoints: []waybell.EndpointNumber{1}, Step: waybell.StatisticsMinute, Since: at, Until: at.Add(24 * time.Hour)}
	for b.Loop() {
		list, err := s.Statistics(b.Context(), q)
		if err != nil || len(list) != 1440 {
			b.Fatal(len(list), err)
		}
	}
}
