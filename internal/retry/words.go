package retry

import (
	"slices"
	"strconv"
	"strings"
)

// Answers says in words which statuses of answers the policy gives one of the
// verdicts, such as "3xx, 4xx except 410, 5xx"; "" for none. Only 2xx to 5xx
// are looked at: others are malformed answers.
func (p Policy) Answers(verdicts ...Verdict) string {
	var parts []string
	for class := 2; class <= 5; class++ {
		var in, out []int
		for status := class * 100; status < class*100+100; status++ {
			if slices.Contains(verdicts, p.Classify(status)) {
				in = append(in, status)
			} else {
				out = append(out, status)
			}
		}
		whole := strconv.Itoa(class) + "xx"
		switch {
		case len(out) == 0:
			parts = append(parts, whole)
		case len(in) > len(out):
			parts = append(parts, whole+" except "+ranges(out, " and "))
		case len(in) > 0:
			parts = append(parts, ranges(in, ", "))
		}
	}
	return strings.Join(parts, ", ")
}

// ranges writes rising numbers, those that follow each other as a span.
func ranges(numbers []int, sep string) string {
	var parts []string
	for i := 0; i < len(numbers); {
		end := i
		for end+1 < len(numbers) && numbers[end+1] == numbers[end]+1 {
			end++
		}
		text := strconv.Itoa(numbers[i])
		if end > i {
			text += "–" + strconv.Itoa(numbers[end])
		}
		parts = append(parts, text)
		i = end + 1
	}
	return strings.Join(parts, sep)
}
