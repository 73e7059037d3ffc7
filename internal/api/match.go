package api

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/scout-speech/scout"
)

// etag names what a client gets: the state that a change is meant for, and a checksum of the answer, in which more may change than what people
// change, for example how far a text is.
//
//	state  has no hyphen
func etag(state string, answer any) string {
	data, _ := json.Marshal(answer) // of texts and numbers
	sum := sha256.Sum256(data)
	return `"` + state + "-" + hex.EncodeToString(sum[:6]) + `"`
}

// matches reports whether If-Match allows a change of what is in a state: the state alone counts. Weak tags never match.
// Source: RFC 9110, 13.1.1.
func matches(header, state string) bool {
	if header = strings.TrimSpace(header); header == "" || header == "*" {
		return true
	}
	for one := range strings.SplitSeq(header, ",") {
		tag, quoted := strings.CutPrefix(strings.TrimSpace(one), `"`)
		tag, ended := strings.CutSuffix(tag, `"`)
		if of, _, _ := strings.Cut(tag, "-"); quoted && ended && of == state {
			return true
		}
	}
	return false
}

// matching reads If-Match where states are numbers: the number of the state that a change is meant for, 0 for any. Of several tags it takes the
// present one, where it is among them.
func matching(header string, present int) (int, error) {
	header = strings.TrimSpace(header)
	if header == "" || header == "*" {
		return 0, nil
	}
	if matches(header, strconv.Itoa(present)) {
		return present, nil
	}
	return 0, scout.Errorf(scout.CodePreconditionFailed, "it has changed: it is in state %d now, and If-Match is %s", present, header)
}

// headerIfNone asks for what a client does not have yet.
const headerIfNone = "If-None-Match"

// known reports whether a client that sends If-None-Match has what has this ETag: tags are compared weakly, and * is anything. What cannot be
// read as a tag ends the list. Source: RFC 9110, 8.8.3 and 13.1.2.
func known(headers []string, tag string) bool {
	tag = strings.TrimPrefix(tag, "W/")
	for _, rest := range headers {
		if strings.TrimSpace(rest) == "*" {
			return true
		}
		for {
			rest = strings.TrimPrefix(strings.TrimLeft(rest, " \t,"), "W/")
			if rest == "" || rest[0] != '"' {
				break
			}
			end := strings.IndexByte(rest[1:], '"')
			if end < 0 {
				break
			}
			if rest[:end+2] == tag {
				return true
			}
			rest = rest[end+2:]
		}
	}
	return false
}
