package api_test

import (
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
)

// The texts that people read. They are compared with the OpenAPI document, which other tests compare with what is served.
const (
	formatsFile = "../../docs/formats/api.md"
	surfaceFile = "../../docs/API.md"
	prefixOfAPI = "/api/v1"
)

// proseOf reads a text.
func proseOf(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// rowsOf returns the rows of the table below a line, in cells. A line that is not there, or a table without rows, fails the test.
func rowsOf(t *testing.T, text, header string) (rows [][]string) {
	t.Helper()
	_, text, found := strings.Cut(text, "\n"+header+"\n")
	if !found {
		t.Fatalf("no table %q", header)
	}
	for i, line := range strings.Split(text, "\n") {
		if !strings.HasPrefix(line, "|") {
			break
		}
		if i > 0 {
			rows = append(rows, strings.Split(strings.Trim(line, "|"), " | "))
		}
	}
	if len(rows) == 0 {
		t.Fatalf("the table %q has no rows", header)
	}
	return rows
}

// quoted are the words in backquotes.
func quoted(text string) (words []string) {
	for _, span := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(strings.ReplaceAll(text, "```", ""), -1) {
		words = append(words, strings.Fields(span[1])...)
	}
	return words
}

// statusesIn are the numbers in a text that are statuses of HTTP.
func statusesIn(text string) (statuses []int) {
	for _, word := range regexp.MustCompile(`\b[2-5][0-9][0-9]\b`).FindAllString(regexp.MustCompile("`[^`]*`|[0-9,.]+ ?(s|ms|B|KiB|MB|points)\\b").ReplaceAllString(text, ""), -1) {
		if status, _ := strconv.Atoi(word); http.StatusText(status) != "" {
			statuses = append(statuses, status)
		}
	}
	return statuses
}

// document is what openapi.json says.
func document(t *testing.T) *openAPI {
	t.Helper()
	d := new(openAPI)
	if err := json.Unmarshal([]byte(proseOf(t, openAPIFile)), d); err != nil {
		t.Fatal(err)
	}
	return d
}

// operationsIn are the operations that the first cell of a row names: methods, then paths. A path that begins with /recordings/{id} may be
// followed by the end of further ones, as in "/jobs/{id}/cancel, /retry".
func operationsIn(t *testing.T, cell string, exists func(method, path string) bool) (operations [][2]string) {
	t.Helper()
	for _, group := range strings.Split(cell, "; ") {
		head, _, found := strings.Cut(group, "`")
		methods := regexp.MustCompile(`[A-Z]+`).FindAllString(head, -1)
		if !found || len(methods) == 0 {
			t.Errorf("no method and path in %q of %q", group, cell)
		}
		before := ""
		for _, path := range quoted(group[len(head):]) {
			path, _, _ = strings.Cut(path, "?")
			for _, method := range methods {
				candidates := []string{prefixOfAPI + path, path}
				if i := strings.LastIndex(before, "/"); i > 0 {
					candidates = append(candidates, before[:i]+path)
				}
				i := slices.IndexFunc(candidates, func(c string) bool { return exists(method, c) })
				if i < 0 {
					t.Errorf("%s %s, in %q, is no operation", method, path, cell)
					continue
				}
				before = candidates[i]
				operations = append(operations, [2]string{method, candidates[i]})
			}
		}
	}
	return operations
}

// Each row of the operations names some that there are, with statuses that they give; and every operation has a row.
func TestTheOperationsInProse(t *testing.T) {
	t.Parallel()
	d := document(t)
	exists := func(method, path string) bool {
		if method == http.MethodHead && strings.HasSuffix(path, "/audio") { // which answers as GET, and is not in the document
			method = http.MethodGet
		}
		_, found := d.Paths[path][strings.ToLower(method)]
		return found
	}
	described := map[[2]string]bool{}
	for _, row := range rowsOf(t, proseOf(t, formatsFile), "| method, path | request → answer |") {
		operations := operationsIn(t, row[0], exists)
		given := map[string]bool{}
		for _, o := range operations {
			described[o] = true
			for status := range d.Paths[o[1]][strings.ToLower(o[0])].Responses {
				given[status] = true
			}
		}
		for _, status := range statusesIn(strings.Join(row[1:], " ")) {
			if !given[strconv.Itoa(status)] {
				t.Errorf("%s: the text names %d, and the document does not", row[0], status)
			}
		}
	}
	for path, methods := range d.Paths {
		for method := range methods {
			if method = strings.ToUpper(method); !described[[2]string{method, path}] && strings.HasPrefix(path, prefixOfAPI) {
				t.Errorf("%s %s has no row in docs/formats/api.md", method, path)
			}
		}
	}
}

// The table of statuses has the codes of each, and none that has another status.
func TestTheCodesInProse(t *testing.T) {
	t.Parallel()
	text := proseOf(t, formatsFile)
	listed := map[scout.Code]bool{}
	for _, row := range rowsOf(t, text, "| status | codes |") {
		statuses := statusesIn(row[0])
		if len(statuses) == 0 {
			t.Errorf("no status in %q", row[0])
		}
		for _, word := range quoted(row[1]) {
			code := scout.Code(word)
			if strings.ToLower(word) != word {
				continue // a header
			}
			listed[code] = true
			switch status := v1.StatusOf(code); {
			case !code.Known():
				t.Errorf("%s: %q is no code", row[0], word)
			case code == scout.CodeInvalidArgument && slices.Contains(statuses, http.StatusUnprocessableEntity): // of /api/v1
			case !slices.Contains(statuses, status):
				t.Errorf("%s: %s has the status %d", row[0], code, status)
			}
		}
	}
	inGroups := []int{http.StatusBadRequest, http.StatusInternalServerError, http.StatusServiceUnavailable, v1.StatusClientClosed} // the text says which groups of codes
	for _, code := range scout.Codes() {
		if status := v1.StatusOf(code); !listed[code] && !slices.Contains(inGroups, status) {
			t.Errorf("%s, which has the status %d, is not in the table", code, status)
		}
	}
	// Elsewhere, a code behind a status has that status.
	for _, path := range []string{formatsFile, surfaceFile} {
		for _, pair := range regexp.MustCompile("\\b([45][0-9][0-9]) `([a-z_]+)`").FindAllStringSubmatch(proseOf(t, path), -1) {
			code := scout.Code(pair[2])
			status, _ := strconv.Atoi(pair[1])
			ofInput := code == scout.CodeInvalidArgument && status == http.StatusUnprocessableEntity
			if code.Known() && v1.StatusOf(code) != status && !ofInput {
				t.Errorf("%s says %s; the status is %d", path, pair[0], v1.StatusOf(code))
			}
		}
	}
}

// named are the words in quotes of the sources: names of fields, codes, events and metrics.
func named(t *testing.T) map[string]bool {
	t.Helper()
	words := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, word := range regexp.MustCompile(`["./]([a-z]+(?:_[a-z0-9]+)+)\b`).FindAllStringSubmatch(string(text), -1) {
			words[word[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return words
}

// Every word with an underscore is a code, or a name in the sources: a field, an event of the log, a metric. Settings, which have a group before
// them, are compared in package settings, and what nginx is told is its own.
func TestTheWordsInProse(t *testing.T) {
	t.Parallel()
	sources := named(t)
	for _, path := range []string{surfaceFile, formatsFile} {
		words := 0
		for _, span := range quoted(proseOf(t, path)) {
			for _, m := range regexp.MustCompile(`([.$]?)\b([a-z]+(?:_[a-z0-9]+)+)`).FindAllStringSubmatch(span, -1) {
				word := m[2]
				if m[1] != "" || strings.HasPrefix(word, "proxy_") {
					continue
				}
				words++
				if !scout.Code(word).Known() && !sources[word] {
					t.Errorf("%s: %q is neither a code nor a name in the sources", path, word)
				}
			}
		}
		if words < 10 {
			t.Errorf("%s: only %d words were found: the test no longer reads it", path, words)
		}
	}
}
