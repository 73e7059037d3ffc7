package v1

import (
	"strings"

	"github.com/scout-speech/scout"
)

// withoutFolders replaces the paths of files in a message by their names: where they lie is the server's business. Paths
// of this interface, and one that a client asked for, stay.
//
// A path begins with a slash at the beginning of a word. Where it stands in quotation marks it ends with them; else it
// ends where a sentence would, and folders may have spaces in their names.
func withoutFolders(code scout.Code, message string) string {
	if code == scout.CodeUnknownURL {
		return message
	}
	var b strings.Builder
	for at := 0; at < len(message); {
		if message[at] != '/' || at > 0 && !strings.ContainsRune(" \t\n\"'(=", rune(message[at-1])) {
			b.WriteByte(message[at])
			at++
			continue
		}
		path := message[at : at+pathLength(message, at)]
		at += len(path)
		b.WriteString(nameOfPath(path))
	}
	return b.String()
}

// nameOfPath is the last part of a path. What has no folder, and a path of this interface, stays.
func nameOfPath(path string) string {
	if strings.HasPrefix(path, "/api/") || strings.HasPrefix(path, "/v1/") {
		return path
	}
	whole := strings.TrimRight(path, "/")
	slash := strings.LastIndexByte(whole, '/')
	if slash <= 0 {
		return path
	}
	return whole[slash+1:]
}

// pathLength is how long the path is that begins at that place of a message.
func pathLength(message string, at int) int {
	rest := message[at:]
	if at > 0 && strings.ContainsRune(`"'`, rune(message[at-1])) {
		if end := strings.IndexByte(rest, message[at-1]); end > 0 {
			return end
		}
	}
	end := len(rest)
	for i := 0; i < end; i++ {
		next := byte(' ') // what follows
		if i+1 < len(rest) {
			next = rest[i+1]
		}
		switch c := rest[i]; {
		case c == '\n' || c == '"':
		case c == ' ' && (next == '/' || next == '(' && !strings.Contains(rest[i:], ")/")): // another path, or what is said about this one
		case strings.IndexByte(":,;)'", c) >= 0 && strings.IndexByte(" \n,;:.)", next) >= 0:
		default:
			continue
		}
		end = i
	}
	// The words behind the path are no part of it: it ends with the word of its last slash, which begins the name.
	if slash := strings.LastIndexByte(rest[:end], '/'); slash >= 0 {
		if space := strings.IndexByte(rest[slash:end], ' '); space >= 0 {
			end = slash + space
		}
	}
	return end
}
