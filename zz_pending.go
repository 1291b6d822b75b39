package waybell

// Format and Profile stand here until format.go and profile.go land.
type Format struct{ Name string }

// Profile is a named pair of format and retry policy.
type Profile struct {
	Name, Format, RetryPolicy string
	IncludeMessages           bool
}
