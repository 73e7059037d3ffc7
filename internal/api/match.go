package api

import (
	"strconv"
	"strings"

	"github.com/scout-speech/scout"
)

// etag names a state by its number.
func etag(n int) string { return `"` + strconv.Itoa(n) + `"` }

// matches reports whether If-Match allows a change of what has an ETag. Weak tags never match. Source: RFC 9110, 13.1.1.
func matches(header, tag string) bool {
	if header = strings.TrimSpace(header); header == "" || header == "*" {
		return true
	}
	for one := range strings.SplitSeq(header, ",") {
		if strings.TrimSpace(one) == tag {
			return true
		}
	}
	return false
}

// matching reads If-Match where ETags are numbers: the number of the state that a change is meant for, 0 for any. Of several tags it takes the
// present one, where it is among them.
func matching(header string, present int) (int, error) {
	header = strings.TrimSpace(header)
	if header == "" || header == "*" {
		return 0, nil
	}
	if matches(header, etag(present)) {
		return present, nil
	}
	return 0, scout.Errorf(scout.CodePreconditionFailed, "it has changed: its ETag is %s now, and not %s", etag(present), header)
}
