package acceptencoding

import "testing"

func TestGzip(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		values []string
		want   bool
	}{
		{nil, false},
		{[]string{""}, false},
		{[]string{"gzip"}, true},
		{[]string{"GZIP"}, true},
		{[]string{"x-gzip"}, true},
		{[]string{"X-Gzip;q=0"}, false},
		{[]string{"gzipped"}, false},
		{[]string{"identity"}, false},
		{[]string{"br"}, false},
		{[]string{"deflate, gzip;q=1.0, *;q=0.5"}, true},
		{[]string{"compress;q=0.5, gzip;q=1.0"}, true},
		{[]string{"gzip;q=1.0, identity; q=0.5, *;q=0"}, true},
		{[]string{"br,\tgzip\t;\tQ=0.2"}, true},
		{[]string{"br", "gzip"}, true},
		{[]string{"br", "gzip;q=0"}, false},
		{[]string{"gzip;q=0"}, false},
		{[]string{"gzip; q=0.000"}, false},
		{[]string{"gzip;q=0.001"}, true},

		// "*" is what is not named, wherever it stands.
		{[]string{"*"}, true},
		{[]string{"*;q=0"}, false},
		{[]string{"*;q=0, gzip"}, true},
		{[]string{"*, gzip;q=0"}, false},
		{[]string{"gzip;q=0, *"}, false},
		{[]string{"*;q=0", "gzip"}, true},
		{[]string{"br, *;q=0.1"}, true},

		// What is no weight promises nothing.
		{[]string{"gzip;q=x"}, false},
		{[]string{"gzip;q="}, false},
		{[]string{"gzip;"}, false},
		{[]string{"gzip;q=NaN"}, false},
		{[]string{"gzip;q=2"}, false},
		{[]string{"gzip;q=-1"}, false},
		{[]string{"gzip;level=9"}, false},
		{[]string{";q=1, ,,"}, false},
	} {
		if got := Gzip(tt.values); got != tt.want {
			t.Errorf("Accept-Encoding %q: %v", tt.values, got)
		}
	}
}
