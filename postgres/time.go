package postgres

import "time"

// micros is how a time is stored: microseconds since the Unix epoch.
func micros(t time.Time) int64 { return t.UnixMicro() }

// moment is the inverse of micros.
func moment(us int64) time.Time { return time.UnixMicro(us).UTC() }
