package record

// words are the texts that occur in many details: names of headers as they are
// spelled there, and common values. Their places are stored: add at the end only,
// and to wordNumber.
var words = [...]string{
	"",
	"POST",
	"PUT",
	"standard",
	"chatzuri",
	"chatislav",
	"application/json",
	"Content-Type",
	"User-Agent",
	"X-Waybell-Event",
	"X-Waybell-Agent",
	"X-Waybell-Delivery",
	"X-Waybell-Attempt",
	"X-Waybell-Test",
	"webhook-id",
	"webhook-timestamp",
	"webhook-signature",
	"Authorization",
	"Date",
	"Content-Length",
	"Server",
	"Connection",
	"Cache-Control",
	"Vary",
	"Set-Cookie",
	"X-Request-Id",
	"Strict-Transport-Security",
	"Retry-After",
	"keep-alive",
	"close",
	"nginx",
	"cloudflare",
	"text/plain; charset=utf-8",
	"text/html; charset=utf-8",
	"0",
	"1",
	"2",
}

// wordNumber is the place of a text in words, -1 for any other.
func wordNumber(s string) int {
	switch s {
	case "":
		return 0
	case "POST":
		return 1
	case "PUT":
		return 2
	case "standard":
		return 3
	case "chatzuri":
		return 4
	case "chatislav":
		return 5
	case "application/json":
		return 6
	case "Content-Type":
		return 7
	case "User-Agent":
		return 8
	case "X-Waybell-Event":
		return 9
	case "X-Waybell-Agent":
		return 10
	case "X-Waybell-Delivery":
		return 11
	case "X-Waybell-Attempt":
		return 12
	case "X-Waybell-Test":
		return 13
	case "webhook-id":
		return 14
	case "webhook-timestamp":
		return 15
	case "webhook-signature":
		return 16
	case "Authorization":
		return 17
	case "Date":
		return 18
	case "Content-Length":
		return 19
	case "Server":
		return 20
	case "Connection":
		return 21
	case "Cache-Control":
		return 22
	case "Vary":
		return 23
	case "Set-Cookie":
		return 24
	case "X-Request-Id":
		return 25
	case "Strict-Transport-Security":
		return 26
	case "Retry-After":
		return 27
	case "keep-alive":
		return 28
	case "close":
		return 29
	case "nginx":
		return 30
	case "cloudflare":
		return 31
	case "text/plain; charset=utf-8":
		return 32
	case "text/html; charset=utf-8":
		return 33
	case "0":
		return 34
	case "1":
		return 35
	case "2":
		return 36
	}
	return -1
}
